"""What a data set holds and gives, looked at before the first step: files, images, one batch."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import torch
from mmcv import Config
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils._pytree import tree_leaves

from mmselfsup.datasets.batched.loader import DeviceLoader
from mmselfsup.datasets.loader import data_sources
from mmselfsup.datasets.source_check import (
    check_files,
    listed_files,
    unlisted_images,
)
from mmselfsup.utils.errors import ArgumentError, UserError, one_line
from mmselfsup.utils.image_names import IMAGE_FORMATS
from mmselfsup.utils.plurals import counted
from mmselfsup.utils.seed import rng_untouched

from .no_effect import check_prefetch

_LOOKED_AT = 16  # images of a data set whose pixels are read
_BATCH = 4  # samples that are made and joined
_SHOWN = 8  # classes with their counts
_DARK = 63  # the brightest value of 14 bits that were read as 16
_FRAMES = ("TIFF", "GIF", "WEBP", "PNG")  # a second image in a JPEG file is one for the camera


@dataclass(frozen=True)
class DataLook:
    """What was found of a data set.

    Attributes:
        part: Its key in the config, such as ``data.train``.
        images: How many different images it has.
        classes: Names or numbers of its classes with the number of images of each; None without
            labels.
        files: Sizes, modes and formats of some of its files; '' where the images are no files.
        sample: Shapes, types and ranges of what a sample gives the model; '' where unknown.
        looked_up: Its data sources, where their files were looked up.
    """

    part: str
    images: int
    classes: dict[str, int] | None
    files: str
    sample: str
    looked_up: tuple[Any, ...] = ()

    def class_text(self) -> str:
        """Return the classes for a line, few of them with their counts."""
        if self.classes is None:
            return "no labels"
        counts = sorted(self.classes.values())
        if len(counts) <= _SHOWN:
            return ", ".join(f"{name} {count}" for name, count in self.classes.items())
        middle = counts[len(counts) // 2]
        return (
            f"{len(counts)}, with {counts[0]} to {counts[-1]} images, half of them up to {middle}"
        )


def look_at(loader: Any, part: str, cfg: Config, logger: logging.Logger) -> DataLook:
    """Check a data set and return what was found; the random state stays.

    All listed files are looked up (unless ``check_files=False``), some images are read, and a few
    samples go through the pipeline and become a batch.

    Args:
        loader: The loader of the data set.
        part: Its key in the config, for messages.
        cfg: The config.
        logger: Logger of the warnings.

    Raises:
        UserError: Listed files are not there, a transform fails on an image, the images of a batch
            have different sizes, or they are normalised twice.
    """
    dataset = getattr(loader.dataset, "dataset", loader.dataset)  # without the sampler's seeds
    check_prefetch(cfg, dataset, part)
    sources = tuple(data_sources(dataset))
    looked_up = sources if cfg.get("check_files", True) else ()
    for source in looked_up:
        check_files(source, part)
    classes = count_classes(dataset)
    report_classes(classes, part, logger)
    num_images = getattr(dataset, "num_images", len(dataset))
    with _read_once(sources):
        if pixels := look_at_pixels(dataset):
            report_constant_images(pixels, part, logger)
            report_dark_images(pixels, part, logger)
            check_own_source(pixels, part)
        report_several_frames(sources, part, logger)
        sample = look_at_batch(loader, part)
    return DataLook(part, num_images, classes, describe_files(sources), sample, looked_up)


@contextmanager
def _read_once(sources: Sequence[Any]) -> Iterator[None]:
    """Keep the images that data sources have read until the end of the block."""
    able = [source for source in sources if hasattr(source, "get_pixels")]
    for source in able:
        source.get_pixels = cache(source.get_pixels)
    try:
        yield
    finally:
        for source in able:
            vars(source).pop("get_pixels", None)


def unlisted_text(looks: Sequence[DataLook]) -> str:
    """Return how many images in the folders are on no list of these data sets; '' for none."""
    found = unlisted_images(source for look in looks for source in look.looked_up)
    if not found.images:
        return ""
    hint = f", which {found.hint}" if found.hint else ""
    parts = " or ".join(look.part for look in looks)
    return (
        f"{found.images} of {found.of} images in the folders are on no list of {parts}, such as "
        f"{found.example}{hint}"
    )


def count_classes(dataset: Any) -> dict[str, int] | None:
    """Return the images of each class by its name or number; see ``DataLook``."""
    labels = getattr(dataset, "gt_labels", None)
    if labels is None or np.ndim(labels) not in (1, 2) or not len(labels):
        return None
    labels = np.asarray(labels)
    if labels.ndim == 2:
        sums, titles = (labels == 1).sum(axis=0).tolist(), getattr(dataset, "CLASSES", None)
        return {_name(titles, number): count for number, count in enumerate(sums)}
    if (labels < 0).all():
        return None
    names = getattr(dataset, "CLASSES", None)
    known = {int(n): int(c) for n, c in zip(*np.unique(labels, return_counts=True), strict=True)}
    numbers = range(max(len(names or ()), max(known) + 1)) if len(known) < 1000 else known
    found = {_name(names, number): known.get(number, 0) for number in numbers}
    return {**found, "no label": known[-1]} if -1 in known else found


def _name(names: Sequence[str] | None, number: int) -> str:
    """Return the name of a class, its number where it has none."""
    return str(names[number]) if names is not None and 0 <= number < len(names) else str(number)


def report_classes(classes: Mapping[str, int] | None, part: str, logger: logging.Logger) -> None:
    """Warn of a single class, and of named classes without an image outside of the training."""
    present = [name for name, count in (classes or {}).items() if count]
    if classes and not present:
        logger.warning("%s: no image is of any class", part)
        return
    if classes and len(present) == 1:
        logger.warning(
            "%s: all %d images are of one class (%s): there is nothing to tell apart",
            part, classes[present[0]], present[0],
        )  # fmt: skip
    empty = [name for name, count in (classes or {}).items() if not count]
    if empty and part != "data.train":  # the head of the model says it of the training
        shown = ", ".join(empty[:_SHOWN]) + (" ..." if len(empty) > _SHOWN else "")
        logger.warning(
            "%s: no image of %s: %s; their recall is not measured",
            part, counted(len(empty), "class"), shown,
        )  # fmt: skip


def describe_files(sources: Sequence[Any]) -> str:
    """Return sizes, modes and formats of some files, from their headers; '' without files."""
    found: Counter[str] = Counter()
    sizes: list[tuple[int, int]] = []
    for source in sources:
        for place in _places(len(_files_of(source))):
            with suppress(Exception), _opened(source, place) as image:
                found[f"{image.format} {image.mode}"] += 1
                sizes.append(image.size)
    if not sizes:
        return ""
    low, high = min(sizes, key=_area), max(sizes, key=_area)
    size = f"{low[0]}x{low[1]}" + (f" to {high[0]}x{high[1]}" if low != high else "")
    kinds = ", ".join(f"{kind}" for kind, _ in found.most_common())
    return f"{size} {kinds} ({len(sizes)} looked at)"


def _files_of(source: Any) -> Sequence[Any]:
    """Return the data source, or nothing where its images are in no files, or in a cache."""
    if listed_files(source) is not None:
        return source
    return source if hasattr(source, "check_storage") and not source.cache else ()


def _opened(source: Any, place: int) -> Image.Image:
    """Return the image of a file, of which only the header was read."""
    on_disk = source.reader.on_disk
    file = source.path(place) if on_disk else BytesIO(source.read_bytes(place))
    return Image.open(file, formats=IMAGE_FORMATS)


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def _places(length: int, number: int = _LOOKED_AT) -> list[int]:
    """Return up to ``number`` places from 0 to ``length`` - 1, evenly spread."""
    return np.unique(np.linspace(0, length - 1, number).astype(int)).tolist() if length else []


@dataclass(frozen=True)
class PixelLook:
    """The pixels of a few images of a data set, each read once.

    Attributes:
        images: How many were read.
        constant: Paths of those of one colour.
        brightest: The largest value of all, 0 to 255.
        fault: What a data source of the user gives in place of an image; '' for none.
    """

    images: int
    constant: list[str]
    brightest: int
    fault: str = ""


def look_at_pixels(dataset: Any) -> PixelLook | None:
    """Read a few images; None where none can be read, which the run itself reports.

    Args:
        dataset: The data set, or a wrapper of some, of which the first counts.
    """
    with suppress(Exception), rng_untouched():
        source = next(data_sources(dataset))
        constant, faults = [], []
        brightest = number = 0
        for place in _places(len(source)):
            with suppress(Exception):
                try:
                    pixels = np.asarray(source.get_pixels(place))
                except ArgumentError as error:
                    faults.append(one_line(error))
                    raise
                brightest = max(brightest, int(pixels.max()))
                number += 1
                if _is_constant(pixels):
                    constant.append(source.path(place))
        if number or faults:
            return PixelLook(number, constant, brightest, next(iter(faults), ""))
    return None


def check_own_source(look: PixelLook, part: str) -> None:
    """Check that a data source of the user gave images.

    Args:
        look: What was found.
        part: The name of the data set in the config.

    Raises:
        UserError: It gave something else, such as None.
    """
    if look.fault:
        raise UserError(f"{part}: {look.fault}")


def report_constant_images(look: PixelLook, part: str, logger: logging.Logger) -> None:
    """Warn of images of one colour: they may have been read wrongly.

    Args:
        look: What was found.
        part: The name of the data set in the config.
        logger: The logger.
    """
    if look.constant:
        logger.warning(
            "%s: %d of %d images looked at are of one colour, such as %s: if they are not, they"
            " are read wrongly; see value_range of the data source",
            part, len(look.constant), look.images, look.constant[0],
        )  # fmt: skip


def report_dark_images(look: PixelLook, part: str, logger: logging.Logger) -> None:
    """Warn where no pixel is bright: 16 bits of which fewer are in use.

    Args:
        look: What was found.
        part: The name of the data set in the config.
        logger: The logger.
    """
    if 0 < look.brightest <= _DARK:
        bits = look.brightest.bit_length() + 8
        logger.warning(
            "%s: the brightest value of %d images looked at is %d of 255: if these are files of "
            "16 bits of which %d are in use, set value_range=[0, %d] in the data source",
            part, look.images, look.brightest, bits, 2**bits - 1,
        )  # fmt: skip


def report_several_frames(sources: Sequence[Any], part: str, logger: logging.Logger) -> None:
    """Warn of files that hold several images among a few of some data sources.

    Args:
        sources: The data sources.
        part: The name of their data set in the config.
        logger: The logger.
    """
    found, number = [], 0
    for source in sources:
        for place in _places(len(_files_of(source))):
            with suppress(Exception), _opened(source, place) as image:
                number += 1
                frames = getattr(image, "n_frames", 1)
                if image.format in _FRAMES and frames > 1:
                    found.append(f"{source.path(place)} ({frames})")
    if found:
        logger.warning(
            "%s: %d of %d files looked at hold several images, such as %s: the first of each is "
            "read; save others that you need as files of their own",
            part, len(found), number, found[0],
        )  # fmt: skip


def _is_constant(pixels: NDArray[Any]) -> bool:
    """Return whether an image [H, W] or [H, W, C] of several pixels has one colour."""
    return pixels.shape[0] * pixels.shape[1] > 1 and bool((pixels == pixels[:1, :1]).all())


def look_at_batch(loader: Any, part: str) -> str:
    """Make a few samples, join them, and return what the first one gives the model.

    Raises:
        UserError: A transform fails, or the samples have different sizes or are no tensors.
    """
    dataset = getattr(loader.dataset, "dataset", loader.dataset)
    inner = getattr(loader, "loader", loader)
    number = min(_BATCH, inner.batch_size or 1)
    with rng_untouched():
        samples = [_sample(dataset, place, part) for place in _places(len(dataset), number)]
        if any(sample is None for sample in samples) or not samples:
            return ""
        if any(isinstance(view, Image.Image) for view in tree_leaves(samples)):
            raise UserError(
                f"{part}: the pipeline gives PIL images, and a batch is made of tensors: end the "
                "pipeline with ToTensor"
            )
        try:
            batch = loader.collate_fn(samples)
            if isinstance(loader, DeviceLoader):  # it finishes its batches on the device
                batch = loader.finish(batch, torch.device("cpu"))
        except RuntimeError as error:
            if "equal size" not in str(error):
                return ""  # the run itself reports it
            raise UserError(
                f"{part}: the images of a batch have different sizes ({one_line(error)}): end the "
                "pipeline with a crop, or Resize(size=(height, width)) with both"
            ) from error
        except (TypeError, ValueError, KeyError, AttributeError):
            return ""
    return _describe(batch.get("img")) if isinstance(batch, Mapping) else ""


def _sample(dataset: Any, place: int, part: str) -> Any:
    """Return a sample; None where a data set of the user has none without a sampler.

    Raises:
        UserError: An image can't be read, or a transform fails on it.
    """
    try:
        return dataset[place]
    except UserError as error:
        raise UserError(f"{part}: {one_line(error)}") from error
    except Exception as error:
        step = getattr(error, "transform", None)  # see ``Chain``
        if step is None:
            return None
        source = next(iter(data_sources(dataset)), None)
        find = getattr(source, "path", None)
        where = f"image {place}" if find is None else find(place)
        raise UserError(
            f"{part}: the transform {step} fails on {where}: {type(error).__name__}: "
            f"{one_line(error)}"
        ) from error


def _describe(img: Any) -> str:
    """Return shapes, types and ranges of the ``img`` of a batch."""
    views = img if isinstance(img, list | tuple) else [img]
    texts: Counter[str] = Counter()
    for view in views:
        if not isinstance(view, Tensor) or not view.numel():
            continue
        shape = "x".join(map(str, view.shape[1:]))
        texts[f"{shape} {str(view.dtype).removeprefix('torch.')}"] += 1
    numbers = [v.float() for v in views if isinstance(v, Tensor) and v.numel()]
    if not numbers:
        return ""
    low = min(float(v.min()) for v in numbers)
    high = max(float(v.max()) for v in numbers)
    kinds = ", ".join(f"{n} of {text}" if n > 1 else text for text, n in texts.items())
    return f"{kinds}, {low:.2f} to {high:.2f}"
