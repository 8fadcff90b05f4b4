"""A picture of images before and after their preparation, to look at."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from ..utils.atomic import atomic_write
from ..utils.errors import UserError
from .border import find_border
from .images import open_rgb, walk_images

_TILE = 160  # pixels, the longer side of a picture on the sheet
_GAP = 8
_TEXT = 14
_LOOKED_AT = 600  # images that are searched for borders


def choose(before: Path, after: Path, number: int) -> list[Path]:
    """The images for a sheet: half of them those with the largest borders, the rest evenly spread.

    Args:
        before: folder of the original images.
        after: folder of the prepared ones; only images that are there are taken.
        number: how many, at most.

    Raises:
        UserError: the folders have no image in common.
    """
    names = [name for name in walk_images(before) if (after / name).exists()]
    if not names:
        raise UserError(f"{after} has none of the images in {before}")
    some = _spread(names, _LOOKED_AT)
    share = {name: _border_share(before / name) for name in some}
    by_border = sorted((name for name in some if share[name] > 0), key=lambda n: -share[n])
    cut = by_border[: number // 2]
    rest = [name for name in names if name not in set(cut)]
    return cut + _spread(rest, number - len(cut))


def draw_sheet(before: Path, after: Path, names: Sequence[Path], columns: int = 4) -> Image.Image:
    """Draw pairs of images side by side: the original, with the part that was kept framed, and
    what became of it, as large.

    Args:
        before, after: folders.
        names: of the images in both.
        columns: pairs in a row.
    """
    pairs = [_pair(before / name, after / name) for name in names]
    width, height = 2 * _TILE + 2 * _GAP, max(p.height for p in pairs) + _TEXT + _GAP
    columns = min(columns, len(pairs))
    rows = -(-len(pairs) // columns)
    sheet = Image.new("RGB", (columns * width + _GAP, rows * height + _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (name, pair) in enumerate(zip(names, pairs, strict=True)):
        x, y = index % columns * width + _GAP, index // columns * height + _GAP
        draw.text((x, y), name.stem[:40], fill="black")
        sheet.paste(pair, (x, y + _TEXT))
    return sheet


def write_sheet(before: Path, after: Path, path: Path, number: int = 24) -> int:
    """Write a sheet as PNG or JPEG; see :func:`choose` and :func:`draw_sheet`.

    Returns:
        How many images it shows.
    """
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise UserError(f"{path}: name a .png or .jpg file")
    if number < 1:
        raise UserError(f"--num {number}: a sheet needs 1 image or more")
    names = choose(before, after, number)
    sheet = draw_sheet(before, after, names)
    with atomic_write(path) as file:
        sheet.save(file, format=Image.registered_extensions()[path.suffix.lower()])
    return len(names)


def _spread(names: Sequence[Path], number: int) -> list[Path]:
    """At most `number` of the names, evenly spread."""
    number = min(number, len(names))
    return [names[i * len(names) // number] for i in range(number)]


def _border_share(path: Path) -> float:
    """Part of an image that is border, 0..1; a small copy is precise enough."""
    image = open_rgb(path)
    image.thumbnail((300, 300))
    box = find_border(image)
    return 1 - (box.right - box.left) * (box.bottom - box.top) / (image.width * image.height)


def _pair(before: Path, after: Path) -> Image.Image:
    """Both pictures side by side, the first with a frame round what :func:`find_border` keeps."""
    first, second = open_rgb(before), open_rgb(after)
    scale = _TILE / max(first.size)
    box = find_border(first)
    left = first.resize(_scaled(first.size, scale))
    if box != (0, 0, *first.size):
        frame = [round(v * scale) for v in (box.left, box.top, box.right - 1, box.bottom - 1)]
        ImageDraw.Draw(left).rectangle(frame, outline=(0, 220, 80), width=2)
    right = second.resize(_scaled(second.size, _TILE / max(second.size)))
    pair = Image.new("RGB", (2 * _TILE + _GAP // 2, max(left.height, right.height)), "white")
    pair.paste(left, (0, 0))
    pair.paste(right, (_TILE + _GAP // 2, 0))
    return pair


def _scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
