"""Mean and standard deviation of the pixels of many images.

8-bit pixels are counted by value, and integers are summed: the result is exact and depends neither
on the order of the images nor on the number of processes.
"""

import ast
import hashlib
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmselfsup.utils.cpus import available_cores
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import file_stamps
from mmselfsup.utils.progress import progress, run_parallel

from .cache import own_reading
from .data_sources import ImageList
from .data_sources.decode import check_value_range, open_rgb

_MOST = 2000  # images of a data source that are measured


@dataclass(frozen=True)
class PixelStatistics:
    """Statistics over all pixels of all images; red, green, blue, in 0..1 as in a batch.

    Attributes:
        mean: Three means.
        std: Three standard deviations (of the population).
        num_images: Number of images.
        num_pixels: Number of pixels of all images.
        constant: Files of images with several pixels that are all of one colour.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    num_images: int
    num_pixels: int
    constant: tuple[Path, ...] = ()

    def config_line(self) -> str:
        """Return the line for a config file, with four digits."""
        mean, std = (", ".join(f"{v:.4f}" for v in values) for values in (self.mean, self.std))
        return f"img_norm_cfg = dict(mean=[{mean}], std=[{std}])"


def pixel_statistics(
    files: Sequence[Path],
    size: Sequence[int] | None = None,
    workers: int | None = None,
    value_range: Sequence[float] | None = None,
) -> PixelStatistics:
    """Return the pixel statistics of image files.

    Args:
        files: Paths of the images; each pixel counts the same, so larger images count more.
        size: Resize first as ``Resize(size)`` of the pipelines does (bilinear, anti-aliased): one
            number for the short side, two for height and width; None leaves the size. Smaller
            images have less fine detail and a smaller deviation.
        workers: Number of processes; None for one per core.
        value_range: That of the data source, for files with more than 8 bits.

    Raises:
        UserError: There is no file, a file can't be read, or the size makes no sense.
    """
    if not files:
        raise UserError("no images to measure; check the list or the folder")
    if size is not None and (len(size) not in (1, 2) or min(size) < 1):
        raise UserError(f"the size must be one or two numbers of pixels, got {list(size)}")
    workers = available_cores() if workers is None else workers
    work = partial(_histogram, size=size, value_range=check_value_range(value_range))
    histogram = np.zeros((3, 256), dtype=np.int64)
    constant = []
    for path, counts in zip(files, run_parallel(work, files, workers, "mean and std"), strict=True):
        histogram += counts
        if counts[0].sum() > 1 and bool(((counts > 0).sum(axis=1) == 1).all()):
            constant.append(path)
    return replace(summarise(histogram, len(files)), constant=tuple(constant))


def source_statistics(
    source: Any, size: Sequence[int] | None = None, most: int = _MOST
) -> PixelStatistics:
    """Return the pixel statistics of the images of a data source, read as in a training.

    Args:
        source: A data source of images with three channels.
        size: See ``pixel_statistics``.
        most: Of more images, this many are measured, evenly spaced over the source.

    Raises:
        UserError: An image can't be read, or the images are not in colour.
    """
    rows = _measured_rows(len(source), most)

    def histogram(row: int) -> NDArray[np.int64]:
        pixels = source.get_pixels(row)
        if np.ndim(pixels) != 3 or np.shape(pixels)[-1] != 3:
            raise UserError(
                f"{source.path(row)}: mean and deviation of an image that is not in RGB are not "
                "measured: give img_norm_cfg"
            )
        return _counted(Image.fromarray(np.asarray(pixels)), size)

    total = np.zeros((3, 256), dtype=np.int64)
    # Threads: decoders release Python's lock, and a source of many images is slow to copy.
    with ThreadPoolExecutor(available_cores()) as pool:
        counts = pool.map(histogram, rows)
        for one in progress(counts, total=len(rows), desc="mean and std"):
            total += one
    return summarise(total, len(rows))


def statistics_key(source: Any, size: int | None) -> str:
    """Return a line by which kept statistics of a data source are known.

    It changes with the side of the images, their names, the sizes and times of the files that
    ``source_statistics`` reads, and the way in which these are read (``value_range``,
    ``color_type``, ``channel_order``, a class of the user).

    Args:
        source: A data source.
        size: Side in pixels to which the images are resized before; None for their own.
    """
    reader = source.reader
    rows = _measured_rows(len(source), _MOST) if reader.on_disk else []
    files = [*source.container_files, *map(source.path, rows)]
    scans = source.scan_reading()
    facts = (
        list(source.image_names() or [len(source)]),
        file_stamps(files),
        getattr(source, "content", ""),
        None if reader.value_range is None else [float(value) for value in reader.value_range],
        reader.color_type,
        reader.channel_order,
        own_reading(source),
        *([reader.service] if reader.service else []),
        *([scans] if scans else []),
    )
    return f"# {size} {hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}"


def _measured_rows(length: int, most: int) -> list[int]:
    """Return the numbers of the images that are measured, evenly spaced."""
    number = min(most, length)
    return [i * length // number for i in range(number)]


def read_statistics(path: str | Path) -> tuple[list[float], list[float]]:
    """Return mean and deviation of a file that ``compute_mean_std.py`` has printed.

    Raises:
        UserError: The file has no such line.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
        line = next(text for text in lines if text.startswith("img_norm_cfg"))
        call = ast.parse(line.partition("=")[2].strip(), mode="eval").body
        assert isinstance(call, ast.Call)
        values = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
        mean, std = ([float(x) for x in values[key]] for key in ("mean", "std"))
        assert len(mean) == len(std) == 3
        assert min(std) > 0
    except (OSError, ValueError, SyntaxError, KeyError, TypeError, AssertionError, StopIteration):
        raise UserError(
            f"{path}: no line 'img_norm_cfg = dict(mean=[...], std=[...])' with three numbers "
            "each, as tools/analysis_tools/compute_mean_std.py prints it"
        ) from None
    return mean, std


def summarise(histogram: NDArray[np.int64], num_images: int) -> PixelStatistics:
    """Return mean and deviation, from the number of pixels of each value [3, 256]."""
    means, stds = [], []
    for counts in histogram.tolist():
        pixels = sum(counts)
        total = sum(n * value for value, n in enumerate(counts))
        squares = sum(n * value**2 for value, n in enumerate(counts))
        means.append(total / pixels / 255)
        # Python's integers are exact, so the difference of two large numbers loses no digits.
        stds.append(math.sqrt(squares * pixels - total**2) / pixels / 255)
    return PixelStatistics(
        mean=(means[0], means[1], means[2]),
        std=(stds[0], stds[1], stds[2]),
        num_images=num_images,
        num_pixels=int(histogram[0].sum()),
    )


def find_files(data_prefix: str | None = None, ann_file: str | None = None) -> list[Path]:
    """Return the images of a list or a folder, as the data source ``ImageList`` finds them.

    Args:
        data_prefix: Folder of the images.
        ann_file: List of names below ``data_prefix``; None takes all images of the folder.

    Raises:
        UserError: Neither is given, or the list or the folder can't be read or is empty.
    """
    if not (data_prefix or ann_file):
        raise UserError("no images to measure: give a folder or --ann-file")
    infos = ImageList(data_prefix, ann_file=ann_file).data_infos
    return [Path(info["img_prefix"], info["img_info"]["filename"]) for info in infos]


def _histogram(
    path: Path, size: Sequence[int] | None, value_range: Sequence[float] | None
) -> NDArray[np.int64]:
    """Return the number of pixels of each value of an image, [3, 256]."""
    return _counted(open_rgb(path, value_range), size)


def _counted(image: Image.Image, size: Sequence[int] | None) -> NDArray[np.int64]:
    """Return the number of pixels of each value of an RGB image, [3, 256]."""
    if size is not None:
        image = image.resize(_new_size(image, size), Image.Resampling.BILINEAR)
    return np.array(image.histogram(), dtype=np.int64).reshape(3, 256)


def _new_size(image: Image.Image, size: Sequence[int]) -> tuple[int, int]:
    """Return width and height after ``Resize(size)``, rounded down as torchvision does."""
    if len(size) == 2:
        return size[1], size[0]
    width, height = image.size
    short = min(width, height)
    return int(size[0] * width / short), int(size[0] * height / short)
