"""Contact sheet: a picture of images before and after their preparation."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from mmselfsup.datasets.data_sources.decode import open_rgb, walk_images
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write

from .dark_border import find_border

_TILE = 160  # pixels, the longer side of a picture on the sheet
_GAP = 8
_TEXT = 14
_SEARCHED = 600  # images at most that are searched for borders


def choose(before: Path, after: Path, number: int) -> list[Path]:
    """Return the images of a sheet: half have the largest borders, the rest are spread evenly.

    Args:
        before: Folder of the original images.
        after: Folder of the prepared images; images that it lacks are not taken.
        number: Largest number of images.

    Raises:
        UserError: The folders have no image in common.
    """
    names = [name for name in walk_images(before) if (after / name).exists()]
    if not names:
        raise UserError(f"{after} has none of the images in {before}")
    some = _spread(names, _SEARCHED)
    area = {name: _border_area(before / name) for name in some}
    by_border = sorted((name for name in some if area[name] > 0), key=lambda n: -area[n])
    cut = by_border[: number // 2]
    rest = [name for name in names if name not in set(cut)]
    return cut + _spread(rest, number - len(cut))


def draw_sheet(before: Path, after: Path, names: Sequence[Path], columns: int = 4) -> Image.Image:
    """Return a sheet of image pairs: the original with the remaining part framed, and the result.

    Args:
        before, after: Folders of the images.
        names: Names of images that both folders have.
        columns: Number of pairs in a row.
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
    """Write a sheet as PNG or JPEG; see ``choose`` and ``draw_sheet``.

    Returns:
        The number of images on the sheet.
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
    """Return at most ``number`` of the names, evenly spread."""
    number = min(number, len(names))
    return [names[i * len(names) // number] for i in range(number)]


def _border_area(path: Path) -> float:
    """Return the fraction of an image that is border, 0..1; a small copy is precise enough."""
    image = open_rgb(path)
    image.thumbnail((300, 300))
    box = find_border(image)
    return 1 - (box.right - box.left) * (box.bottom - box.top) / (image.width * image.height)


def _pair(before: Path, after: Path) -> Image.Image:
    """Return both pictures side by side, the first with a frame round the box of its border."""
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
    """Return a scaled size, at least 1 pixel a side."""
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
