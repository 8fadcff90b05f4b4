"""Shades of Gray: colour constancy, which removes the colour of the light from an image.

``shades_of_gray`` corrects one image, ``correct_folder`` a folder in several processes, where an
interrupted run can resume. The dark border round the field of view can be cut away first.

The result for a pixel depends only on its 8-bit value and the histograms of the image, so all
numbers are exact in float64 and the correction is one table of 256 entries for each channel.

Source: Finlayson and Trezzi, "Shades of Gray and Colour Constancy", CIC 2004; on dermoscopy
Barata et al., "Improving Dermoscopy Image Classification Using Color Constancy", JBHI 2015.

Letters: H, W pixels.
"""

import json
import os
import sys
from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmselfsup.datasets.data_sources.decode import open_rgb, walk_images
from mmselfsup.datasets.data_sources.lists import find_images
from mmselfsup.utils.cpus import available_cores
from mmselfsup.utils.errors import UserError, one_line
from mmselfsup.utils.files import (
    atomic_write,
    atomic_write_json,
    atomic_write_text,
    file_stamp,
    file_stamps,
    remove_leftovers,
)
from mmselfsup.utils.plurals import counted
from mmselfsup.utils.progress import run_parallel

from .dark_border import crop_border

RECORD = "color_constancy.json"
SOURCES = "color_constancy_sources.json"  # size and time of the file of each image
UNFINISHED = ".unfinished"  # in the folder while images are written, and after an interruption
_PARAMETERS = (("power", "p ="), ("gamma", "gamma ="))  # key of the record, words for it
_LOSSY = (".jpg", ".jpeg", ".webp")
_ENDS = {**dict.fromkeys((".jpg", ".jpeg"), b"\xff\xd9"), ".png": b"IEND\xaeB`\x82"}
_EXACT = (".png", ".bmp", ".tif", ".tiff", ".ppm")


def illuminant(
    histogram: NDArray[np.int64], power: float = 6.0, gamma: float | None = None
) -> NDArray[np.float64]:
    """Return the colour of the light: e_c = (mean of I_c^p)^(1/p), scaled to unit L2 norm.

    Args:
        histogram: Number of pixels of each value [3, 256], red, green, blue, over the whole image.
        power: Exponent p of the Minkowski mean, above 0: 1 is Gray World, large p nears White
            Patch.
        gamma: Apply I -> 255 * (I/255)^(1/gamma) first, above 0; None leaves the image as it is.

    Returns:
        [3] of norm 1; (1, 1, 1)/sqrt(3) for a black image.
    """
    values = _linear(gamma)  # [256]
    brightest = np.where(histogram > 0, values, 0.0).max(axis=1, keepdims=True)  # [3, 1]
    scale = np.where(brightest > 0, brightest, 1.0)
    # Scaled to the brightest pixel, no power leaves the range of float64; values above it don't
    # occur and count for nothing.
    relative = np.minimum(values / scale, 1.0) ** power  # [3, 256]
    mean = (histogram * relative).sum(axis=1) / histogram.sum(axis=1)  # [3]
    light = scale[:, 0] * mean ** (1.0 / power)
    norm = np.linalg.norm(light)
    return light / norm if norm > 0 else np.full(3, 3**-0.5)  # grey light leaves black as it is


def correction_table(light: NDArray[np.float64], gamma: float | None = None) -> NDArray[np.uint8]:
    """Return the new value of each value: I_c / (e_c * sqrt(3)), clipped to 0..255, then rounded.

    The clip matters: without it, bright pixels wrap round to dark when cast to 8 bits.

    Args:
        light: Colour of the light [3] from ``illuminant``.
        gamma: As in ``illuminant``.

    Returns:
        [3, 256]; a channel without light is all 0 and stays so.
    """
    # For grey light e_c is 1 / sqrt(3): the gain is then 1 and the image stays as it is.
    gain = 1.0 / np.where(light > 0, light * 3**0.5, 1.0)  # [3]
    corrected = gain[:, None] * _linear(gamma)[None]  # [3, 256]
    return np.rint(np.clip(corrected, 0.0, 255.0)).astype(np.uint8)


def _linear(gamma: float | None) -> NDArray[np.float64]:
    """Return the value after gamma for each 8-bit value: [256], 0..255, not rounded."""
    values = np.arange(256, dtype=np.float64)
    return values if gamma is None else 255.0 * (values / 255.0) ** (1.0 / gamma)


def histogram_of(image: Image.Image) -> NDArray[np.int64]:
    """Return the number of pixels of each value of an RGB image, [3, 256]."""
    return np.array(image.histogram(), dtype=np.int64).reshape(3, 256)


def apply_table(image: Image.Image, table: NDArray[np.uint8]) -> Image.Image:
    """Replace the values of an RGB image by those of ``table`` [3, 256]."""
    return image.point(table.reshape(-1).tolist())


def shades_of_gray(
    image: NDArray[np.uint8], power: float = 6.0, gamma: float | None = None
) -> NDArray[np.uint8]:
    """Return one image with its colours corrected.

    Args:
        image: RGB image [H, W, 3], 0..255.
        power: Exponent p of the Minkowski mean, above 0.
        gamma: Gamma to undo first, above 0; None for none. 2.2 is in common use.

    Returns:
        [H, W, 3] RGB, 0..255.

    Raises:
        ValueError: Another shape or dtype, no pixel, ``power`` or ``gamma`` not above 0.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise ValueError(f"need uint8 [H, W, 3], got {image.dtype} {list(image.shape)}")
    check_parameters(power, gamma)
    picture = Image.fromarray(image)
    light = illuminant(histogram_of(picture), power, gamma)
    return np.asarray(apply_table(picture, correction_table(light, gamma)))


def check_parameters(power: float, gamma: float | None) -> None:
    """Check that both parameters are finite numbers above 0.

    Raises:
        ValueError: A parameter is not.
    """
    for name, value in (("power", power), ("gamma", 1.0 if gamma is None else gamma)):
        if not 0.0 < value < float("inf"):
            raise ValueError(f"{name} must be a finite number above 0, got {value}")


@dataclass(frozen=True)
class Settings:
    """Settings of the correction of a folder.

    Attributes:
        power: Exponent p of the Minkowski mean, above 0.
        gamma: Gamma to undo first, above 0, or None.
        short_side: Images with a longer short side are shrunk to this, in pixels; None for none.
        quality: Quality of JPEG and WebP files, 1..100.
        crop_border: Whether to cut away the dark border round the field of view first.
        keep_colors: Whether to leave the colours uncorrected.
    """

    power: float = 6.0
    gamma: float | None = None
    short_side: int | None = None
    quality: int = 95
    crop_border: bool = False
    keep_colors: bool = False

    def __post_init__(self) -> None:
        try:
            check_parameters(self.power, self.gamma)
        except ValueError as error:
            raise UserError(str(error)) from error
        if self.short_side is not None and self.short_side < 1:
            raise UserError(f"the short side must be 1 pixel or more, got {self.short_side}")
        if not 1 <= self.quality <= 100:
            raise UserError(f"the quality must be 1..100, got {self.quality}")

    def record(self) -> dict[str, Any]:
        """Return the content of ``color_constancy.json``, without options that change nothing.

        Folders that were made before these options existed have no such keys: they stay valid.
        """
        facts: dict[str, Any] = {"method": "shades of gray, clipped", **asdict(self)}
        for name in ("crop_border", "keep_colors"):
            if not facts[name]:
                del facts[name]
        return facts


def preparation_of(folder: Path) -> str:
    """Return in words how the images of a folder were made, as its ``color_constancy.json`` says.

    Returns:
        ``dark borders cropped, ...``; empty for a folder without the file.

    Raises:
        UserError: The file is damaged.
    """
    try:
        facts = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        side, corrected = facts.get("short_side"), "colours corrected by Shades of Gray"
        numbers = [f"{name} {facts[key]:g}" for key, name in _PARAMETERS if facts.get(key)]
        parts = [
            "dark borders cropped" if facts.get("crop_border") else "",
            "" if side is None else f"shorter side at most {side} pixels",
            "colours as they were"
            if facts.get("keep_colors")
            else corrected + (f" ({', '.join(numbers)})" if numbers else ""),
        ]
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UserError(
            f"{folder / RECORD}: this record can't be read: {one_line(error)}"
        ) from error
    return ", ".join(part for part in parts if part)


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

    Existing images are skipped, unless their file in ``src`` has another size or time than when
    they were made; those without a file in ``src`` are counted and stay. ``color_constancy.json``
    in ``dst`` says how they were made. Each file is written under another name and renamed, so that
    none is ever half-written. All are forced to the disk together, at the end, which is faster than
    one by one; after a kill or a power cut, files that are empty or cut off are made again.

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
    todo = sorted({*todo, *_remove_outdated(source, target, names)})
    unfinished = target / UNFINISHED
    if unfinished.exists():
        missing = set(todo)
        todo = [name for name in names if name in missing or not _is_whole(target / name)]
    if todo:
        atomic_write_text(unfinished, "")

    work = partial(_correct_file, source=source, target=target, settings=settings)
    workers = available_cores() if workers is None else workers
    try:
        reasons = run_parallel(work, todo, workers, "colour constancy")
        failures = [reason for reason in reasons if reason is not None]
    finally:  # after Ctrl-C too: only a kill or a power cut leaves the mark
        for folder in {target, *((target / name).parent for name in names)}:
            remove_leftovers(folder)
        os.sync()
        unfinished.unlink(missing_ok=True)
    return len(todo) - len(failures), len(names) - len(todo), failures


def _remove_outdated(source: Path, target: Path, names: Sequence[Path]) -> list[Path]:
    """Remove images whose source was replaced since, and record the sources; return their names.

    A killed run leaves no image of an old source: first they are removed, then the sources are
    recorded, then the images are made. Folders of older versions have no record: there an image is
    outdated if its source is newer.
    """
    record = target / SOURCES
    stamps = file_stamps([source / name for name in names])
    found = {name.as_posix(): list(stamp) for name, stamp in zip(names, stamps, strict=True)}
    before = _read_sources(record)
    _report_others(target, found)
    outdated = []
    for name in names:
        made_at, was = file_stamp(target / name)[1], before.get(name.as_posix())
        newer = found[name.as_posix()][1] > made_at
        if made_at >= 0 and (newer if was is None else was != found[name.as_posix()]):
            outdated.append(name)
    for name in outdated:
        (target / name).unlink(missing_ok=True)
    if found != before:
        atomic_write_json(record, found, indent=None)
    return outdated


def _report_others(target: Path, found: Container[str]) -> None:
    """Warn of images without a source; they stay, as their sources may have been moved on purpose.

    Args:
        target: Folder of the results.
        found: Names of the sources.
    """
    others = [name for name in find_images(str(target)) if Path(name).as_posix() not in found]
    if others:
        print(
            f"warning: {target} has {counted(len(others), 'image')} without a source, such as "
            f"{others[0]}: what was made before stays, remove what you don't need",
            file=sys.stderr,
            flush=True,
        )


def _read_sources(record: Path) -> dict[str, list[int]]:
    """Return size and time of the sources, as recorded; empty without a record."""
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"can't read {record}: {error}; remove the folder") from error
    if not isinstance(content, dict):
        raise UserError(f"{record} is no record of images; remove the folder")
    return content


def _is_whole(path: Path) -> bool:
    """Return whether a file that this module wrote is complete on the disk."""
    end = _ENDS.get(path.suffix.lower())
    if end is not None:  # reading the end is enough, and fast
        with open(path, "rb") as file:
            file.seek(-min(len(end), path.stat().st_size), os.SEEK_END)
            return file.read() == end
    try:
        open_rgb(path)
    except UserError:
        return False
    return True


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
    with atomic_write(target / name, sync=False) as file:  # see ``correct_folder``
        image.save(file, format=Image.registered_extensions()[suffix], **options)
    return None
