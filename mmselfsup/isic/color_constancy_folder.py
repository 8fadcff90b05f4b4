"""Shades of Gray for a folder of images, in several processes; an interrupted run can resume."""

import json
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from mmselfsup.datasets.data_sources.decode import open_rgb, walk_images
from mmselfsup.utils.errors import UserError, one_line
from mmselfsup.utils.files import atomic_write, atomic_write_json
from mmselfsup.utils.progress import default_workers, run_parallel

from .border import crop_border
from .color_constancy import apply_table, correction_table, histogram_of, illuminant
from .color_constancy_settings import Settings

RECORD = "color_constancy.json"

_LOSSY = (".jpg", ".jpeg", ".webp")
_EXACT = (".png", ".bmp", ".tif", ".tiff", ".ppm")


def correct(image: Image.Image, settings: Settings) -> Image.Image:
    """Return one RGB image with its colours corrected, cropped and shrunk as the settings say.

    The light is measured after the crop, in full size, so it is the same for every
    ``short_side``. Then the image is shrunk (area mean), then corrected: clipping comes last, as
    clipped values would darken the means.
    """
    image = crop_border(image) if settings.crop_border else image
    light = illuminant(histogram_of(image), settings.power, settings.gamma)
    side = min(image.size)
    if settings.short_side is not None and settings.short_side < side:
        ratio = settings.short_side / side
        size = [max(1, round(length * ratio)) for length in image.size]
        smaller = cv2.resize(np.asarray(image), size, interpolation=cv2.INTER_AREA)
        image = Image.fromarray(smaller)
    if settings.keep_colors:
        return image
    return apply_table(image, correction_table(light, settings.gamma))


def correct_folder(
    src: str | Path, dst: str | Path, settings: Settings, workers: int | None = None
) -> tuple[int, int, list[str]]:
    """Correct all images below ``src`` into the same places below ``dst``.

    Existing images are skipped; ``color_constancy.json`` in ``dst`` says how they were made. Each
    file is written under another name and renamed, so that none is ever half-written.

    Args:
        src: Folder of the images.
        dst: Another folder, neither in ``src`` nor around it.
        settings: Settings of the correction.
        workers: Number of processes; None for one per core.

    Returns:
        Number of images made now, number made before, and a line for each unreadable one.

    Raises:
        UserError: No image in ``src``, ``dst`` can't be written, or its images were made
            otherwise.
    """
    source, target = Path(src), Path(dst)
    names = walk_images(source)
    # Within each other, a second run would take the results for originals.
    inside, outside = source.resolve(), target.resolve()
    if inside.is_relative_to(outside) or outside.is_relative_to(inside):
        raise UserError(f"{dst} and {src} must not lie within each other; give another --dst")
    todo = [name for name in names if not (target / name).exists()]
    _check_record(target, settings, any_done=len(todo) < len(names))

    work = partial(_correct_file, source=source, target=target, settings=settings)
    workers = default_workers() if workers is None else workers
    failures = [e for e in run_parallel(work, todo, workers, "colour constancy") if e is not None]
    return len(todo) - len(failures), len(names) - len(todo), failures


def _check_record(target: Path, settings: Settings, any_done: bool) -> None:
    """Check that the folder has images of the same settings; record those of a new folder."""
    record = target / RECORD
    wanted = settings.record()
    if record.exists():
        try:
            recorded = json.loads(record.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"can't read {record}: {error}; remove the folder") from error
        if recorded != wanted:
            raise UserError(
                f"{target} holds images made with {recorded}, now wanted: {wanted}; give another "
                "--dst or remove that folder"
            )
    elif any_done:
        raise UserError(
            f"{target} holds images of these names, but no {RECORD} that says how they were made; "
            "give another --dst"
        )
    else:
        atomic_write_json(record, wanted)


def _correct_file(name: Path, source: Path, target: Path, settings: Settings) -> str | None:
    """Correct one file; return the reason in one line if it can't be read."""
    suffix = name.suffix.lower()
    if suffix not in _LOSSY + _EXACT:
        return f"can't write colour images as {suffix}: convert {source / name} to PNG first"
    try:
        image = open_rgb(source / name)
    except UserError as error:
        return one_line(error)
    image = correct(image, settings)
    options = {"quality": settings.quality} if suffix in _LOSSY else {}
    with atomic_write(target / name) as file:
        image.save(file, format=Image.registered_extensions()[suffix], **options)
    return None
