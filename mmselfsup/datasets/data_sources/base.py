"""The base class of data sources: a list of images with labels, read from files or a cache.

Images that can't be read raise an error, or are skipped in training.
"""

from __future__ import annotations

import logging
import os
from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Iterable, Iterator, MutableSequence, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError, StorageError, UserError

from ..cache import ImageStore, open_cache
from ..class_order import check_places, new_numbers, renumbered, renumbered_array
from ..pipelines.encoded import EncodedImage, Pixels
from ..pipelines.formatting import to_image, to_pixels
from .decode import ImageError, ImageReader, one_of
from .folders import common_folder
from .image_table import ImageTable
from .list_lines import MAX_LABEL, Entry
from .lists import read_text
from .packed import PackedStrings, pack
from .reduced import encoded_jpeg
from .scans import scan_reading
from .split import rows_of_part


class Loading:
    """The part of a data source that reads images.

    A subclass whose images are not in files of their own overrides ``read_bytes``, or ``decode``
    where it has pixels, or ``get_img`` where it has PIL images.
    """

    data_infos: MutableSequence[dict[str, Any]]
    data_prefix: str
    ann_file: str | None
    reader: ImageReader
    on_error: str
    cache: ImageStore | None = None
    reduced_decode: bool = False
    container_files: Sequence[str] = ()  # that hold many images each; a cache is one of these alone
    _broken: Tensor  # [len], bool: which images were skipped

    def path(self, idx: int) -> str:
        """Return the path of the image ``idx``; words that name it where it is no file."""
        info = self.data_infos[idx]
        name = info.get("img_info", {}).get("filename")
        if not name:
            return f"image {idx} of {type(self).__name__}"
        return os.path.join(info.get("img_prefix") or "", name)

    def read_bytes(self, idx: int) -> bytes:
        """Return the bytes of the image file ``idx``.

        Raises:
            OSError: They can't be read.
        """
        return self.reader.read_bytes(self.path(idx))

    def decode(self, idx: int) -> Pixels | Image:
        """Return the image ``idx``, read from its file.

        Returns:
            An array [H, W, 3] or [H, W]; a PIL image for ``color_type='unchanged'``.

        Raises:
            ImageError: It is missing, damaged, or no image.
        """
        with self._named(idx):
            return self.reader.decode(self.read_bytes(idx))

    @contextmanager
    def _named(self, idx: int) -> Iterator[None]:
        """Name the image ``idx``, and what can be done, in errors inside the block."""
        try:
            yield
        except (ImageError, OSError) as error:
            path, info = self.path(idx), self.data_infos[idx]
            reason = getattr(error, "strerror", None) or error
            line = f" (line {info['line']} of {self.ann_file})" if info.get("line") else ""
            raise ImageError(
                f"{path}{line}: {reason}; replace it, take it off the list, or (in training) set "
                "on_error='skip' in the data source"
            ) from error

    def get_img(self, idx: int) -> Image:
        """Return the image ``idx`` as a PIL image; errors as in ``decode``."""
        cached = self._cached(idx)
        image = self._checked(self.decode(idx), "decode", idx) if cached is None else cached
        return image if isinstance(image, Image) else to_image(image)

    def get_pixels(self, idx: int) -> Pixels | Image:
        """Return the image ``idx`` as an array [H, W, 3] or [H, W], not to be written into.

        Where it has another mode than RGB or L, it is a PIL image. Errors as in ``decode``.
        """
        cached = self._cached(idx)
        return self.uncached_pixels(idx) if cached is None else cached

    def uncached_pixels(self, idx: int) -> Pixels | Image:
        """Return the image as ``get_pixels`` does, without the cache."""
        if type(self).get_img is Loading.get_img:  # not overridden: no way through a PIL image
            return self._checked(self.decode(idx), "decode", idx)
        # A subclass overrides how images are read.
        image = self._checked(self.get_img(idx), "get_img", idx)
        if isinstance(image, np.ndarray):
            return image
        pixels = to_pixels(image)
        return image if pixels is None else pixels

    def _checked(self, image: Any, method: str, idx: int) -> Any:
        """Return what a method of a subclass gives for the image ``idx``.

        Raises:
            ArgumentError: It is no image.
        """
        if isinstance(image, np.ndarray | Image):
            return image
        path, number = self.path(idx), f"image {idx}"
        where = path if path.startswith(number) else f"{number} ({path})"
        raise ArgumentError(
            f"{type(self).__name__}.{method} gives {type(image).__name__} for {where}: return a "
            "PIL image, or a uint8 array [H, W, 3] or [H, W]"
        )

    def load(self, idx: int) -> tuple[Image, int]:
        """Return the image ``idx``, or with ``on_error='skip'`` the next one that can be read.

        Returns:
            The image and its own index, which is also that of its label.
        """
        return self._first_readable(idx, self.get_img)

    def load_pixels(self, idx: int) -> tuple[Pixels | Image, int]:
        """Return the same as ``load``, with the image as ``get_pixels`` returns it."""
        return self._first_readable(idx, self.get_pixels)

    def load_for_views(self, idx: int) -> tuple[Pixels | Image | EncodedImage, int]:
        """Return the same as ``load_pixels``; with ``reduced_decode`` a file not yet decoded."""
        if not self.reduced_decode:
            return self.load_pixels(idx)
        with self._named(idx):
            data = self.read_bytes(idx)
            encoded = encoded_jpeg(self.reader, data, lambda: self._named(idx))
            return (self.reader.decode(data) if encoded is None else encoded), idx

    def scan_reading(self) -> dict[str, int]:
        """Return what stands for the way in which DICOM files are read, see ``scans``."""
        if type(self).decode is not Loading.decode:  # names of pixels in arrays, and of no files
            return {}
        names = (info.get("img_info", {}).get("filename") for info in self.data_infos)
        return scan_reading(name for name in names if name)

    def num_skipped(self) -> int:
        """Return how many images could not be read and were skipped so far, over all workers."""
        return int(self._broken.sum())

    def _cached(self, idx: int) -> Pixels | None:
        """Return the image ``idx`` of the cache, None without a cache or where it is broken."""
        return None if self.cache is None else self.cache[idx]

    def _first_readable(self, idx: int, read: Callable[[int], Any]) -> tuple[Any, int]:
        """Return the image ``idx`` or the next readable one, and its index."""
        if self.on_error == "raise":
            return read(idx), idx
        num_images = len(self.data_infos)
        for candidate in ((idx + step) % num_images for step in range(num_images)):
            if self._broken[candidate]:  # found by any worker: do not read and count it again
                continue
            try:
                return read(candidate), candidate
            except StorageError:
                raise
            except UserError as error:
                self._broken[candidate] = True
                logging.getLogger("mmselfsup").warning(
                    "skipped an image (%d so far): %s", self.num_skipped(), error
                )
        raise UserError(f"none of the {num_images} images in {self.data_prefix} can be read")


class BaseDataSource(Loading, metaclass=ABCMeta):
    """A list of images with labels that reads them one by one.

    A subclass returns its images from ``load_annotations``: a list (or ``_infos(entries)``, which
    holds millions of images in arrays) with, for each image,
    ``dict(img_prefix=folder, img_info=dict(filename=name), gt_label=label)``, and ``line``, the
    line of ``ann_file`` where it stood, for error messages.

    Args:
        data_prefix: Folder of the images; or several folders, as one data source.
        classes: Names of the classes in the order of their numbers, or a text file with one name
            a line; by default those of the class attribute ``CLASSES``.
        ann_file: List of the images.
        test_mode: Whether to take the test part, where a source has one.
        color_type: ``color``, ``grayscale``, or ``unchanged``, see ``decode.decode_image``.
        channel_order: ``rgb`` or ``bgr``, the order that ``mean`` and ``std`` are in. Steps that
            weigh colours see RGB in both cases, see ``pipelines.channel_order``.
        file_client_args: Arguments of mmcv's ``FileClient``: the disk, or a storage service.
        on_error: What ``load`` does with an image that can't be read: ``raise`` an error, or
            ``skip`` it, take the next readable one instead, and count it (see ``num_skipped``).
        cache: ``dict(dir=folder, short_side=256)``: decode each image once and store it there, see
            ``mmselfsup.datasets.cache.open_cache``.
        value_range: ``[black, white]``: which values of a file with more than 8 bits become 0 and
            255, such as ``[0, 4095]`` for 12 bits; None for the rules of ``decode``.
        split: ``dict(part="train", folds=5, fold=0, seed=0)``: only the images of this part, see
            ``split.rows_of_part``; None for all.
        reduced_decode: Decode a JPEG file at a half, a quarter or an eighth of its sides where the
            first crop of a pipeline needs no more, see ``reduced``.
        same_classes: Whether its classes are those of the training in the same order, although they
            have other names, see ``class_order.new_numbers``.
    """

    CLASSES: Any = None
    same_classes: bool = False

    def __init__(
        self,
        data_prefix: str | Sequence[str] | None,
        classes: str | Sequence[str] | None = None,
        ann_file: str | None = None,
        test_mode: bool = False,
        color_type: str = "color",
        channel_order: str = "rgb",
        file_client_args: dict[str, Any] = dict(backend="disk"),  # noqa: B006
        on_error: str = "raise",
        cache: dict[str, Any] | None = None,
        value_range: Sequence[float] | None = None,
        split: dict[str, Any] | None = None,
        reduced_decode: bool = False,
        same_classes: bool = False,
    ) -> None:
        self.data_prefix, self.folders = common_folder(data_prefix)
        self.ann_file = None if ann_file is None else os.path.expanduser(ann_file)
        self.test_mode = test_mode
        self.reader = ImageReader(color_type, channel_order, file_client_args, value_range)
        self.on_error = one_of("on_error", on_error, ("raise", "skip"))
        self.CLASSES = self.get_classes(classes)
        self.same_classes = same_classes
        for folder in self.folders if self.reader.on_disk else ():
            if not os.path.isdir(folder):
                raise UserError(f"{folder}: no such folder of images; check data_prefix")
        infos: Any = self.load_annotations()  # after ``CLASSES``, which it may need and set
        if not hasattr(infos, "__len__"):  # a generator of the user, or a forgotten return
            if not isinstance(infos, Iterable):
                raise UserError(
                    f"load_annotations gives {type(infos).__name__}: return a list with a dict "
                    "for each image"
                )
            infos = list(infos)
        self.data_infos = infos
        self.split = split
        if split is not None:
            self._keep(rows_of_part(self.data_infos, **split, lesions=self._known_lesions()))
        # which images were skipped; in shared memory, so that all workers know of them
        self._broken = torch.zeros(len(self.data_infos), dtype=torch.bool)
        if on_error == "skip":
            self._broken.share_memory_()
        self.reduced_decode = reduced_decode
        if reduced_decode:
            self._check_reduced(cache)
        self.cache = None if cache is None else open_cache(self, **cache)  # last: it reads images

    @abstractmethod
    def load_annotations(self) -> MutableSequence[dict[str, Any]]:
        """Return the images, see the class."""

    def __len__(self) -> int:
        return len(self.data_infos)

    def _check_reduced(self, cache: dict[str, Any] | None) -> None:
        """Check that files can be decoded by the first crop.

        Raises:
            ArgumentError: They are decoded before, or by another code.
        """
        kind = type(self)
        reason = None
        if cache is not None:
            reason = "the cache holds decoded images; take one of the two out"
        elif self.on_error == "skip":
            reason = "with on_error='skip' an image is decoded first, to know whether it is whole"
        elif (kind.decode, kind.get_img) != (Loading.decode, Loading.get_img):
            reason = f"{kind.__name__} reads its images itself"
        if reason is not None:
            raise ArgumentError(f"reduced_decode has no effect: {reason}")

    def _known_lesions(self) -> list[str] | None:
        """Return the lesion of each image where a file besides the list names it, else None."""
        return None

    def _keep(self, rows: Sequence[int]) -> None:
        """Keep the images of these numbers alone."""
        if isinstance(self.data_infos, ImageTable):
            self.data_infos = self.data_infos.take(np.asarray(rows, dtype=np.int64))
        else:
            self.data_infos = [self.data_infos[row] for row in rows]

    def get_gt_labels(self) -> NDArray[np.int64]:
        """Return the labels of all images: [len], or [len, L] where each has L labels."""
        packed = self._packed_labels()
        if packed is not None and packed.max(initial=0) <= MAX_LABEL:
            return packed.astype(np.int64)
        labels: list[Any] = [info.get("gt_label") for info in self.data_infos]
        if wrong := [label for label in labels if label is None or isinstance(label, str)]:
            raise UserError(
                f"{type(self).__name__}: an image has the gt_label {wrong[0]!r}: give each the "
                "number of its class, -1 for none"
            )
        if len({np.shape(label) for label in labels}) > 1:
            raise UserError(f"{self.ann_file}: all images need the same number of labels")
        decimals = (n for n in labels if isinstance(n, float | np.floating))  # 1.0 is in use
        if any(not float(number).is_integer() for number in decimals):
            raise UserError(
                f"{type(self).__name__}: a gt_label is a decimal number; classes are whole numbers"
            )
        try:
            array = np.array(labels, dtype=np.int64)
        except OverflowError:
            array = np.array([2**62])
        if array.max(initial=0) > MAX_LABEL:  # lists are checked when they are read
            raise UserError(
                f"{type(self).__name__}: a gt_label is above {MAX_LABEL}; number the classes from 0"
            )
        return array

    def use_classes(self, classes: Sequence[str], where: str, known: str) -> None:
        """Number the classes as ``classes`` does; see ``mmselfsup.datasets.class_order``."""
        if self.CLASSES is None:
            if (self.get_gt_labels() >= 0).any():
                check_places(classes, where, known)
            return
        own = self.CLASSES
        numbers, self.CLASSES = new_numbers(own, classes, where, known, self.same_classes)
        if numbers is None and len(own) < len(self.CLASSES) and self.get_gt_labels().ndim == 2:
            numbers = [*range(len(own))]  # a 0 for each further class
        packed = self._packed_labels()
        if numbers is not None and packed is not None and isinstance(self.data_infos, ImageTable):
            moved = renumbered_array(packed, numbers, len(self.CLASSES))
            self.data_infos = self.data_infos.with_labels(moved)
            return
        for info in self.data_infos if numbers is not None else ():
            info["gt_label"] = renumbered(info["gt_label"], numbers or (), len(self.CLASSES))

    def _packed_labels(self) -> NDArray[Any] | None:
        """Return all labels, [len] or [len, L]; None where they are not in an array."""
        return self.data_infos.labels() if isinstance(self.data_infos, ImageTable) else None

    def image_names(self) -> Sequence[str] | None:
        """Return the file name of each image below its folder, [len].

        None where the images are no files. Names of a long list are no list of Python strings,
        but equal to one.
        """
        packed = self.data_infos.names() if isinstance(self.data_infos, ImageTable) else None
        if packed is not None:
            return packed if packed.all_filled() else None
        names = [info.get("img_info", {}).get("filename", "") for info in self.data_infos]
        return names if all(names) else None

    def get_cat_ids(self, idx: int) -> int:
        """Return the label of the image ``idx``."""
        return int(self.data_infos[idx]["gt_label"])

    @property
    def class_to_idx(self) -> dict[str, int]:
        """Return the number of each class name."""
        return {name: i for i, name in enumerate(self.CLASSES or ())}

    @classmethod
    def get_classes(cls, classes: str | Sequence[str] | None = None) -> Sequence[str] | None:
        """Return the names of ``classes``: a list, a file with one name a line, or None.

        A tuple stays a tuple.
        """
        if classes is None:
            return None if cls.CLASSES is None else list(cls.CLASSES)
        if isinstance(classes, str):
            return [line.strip() for line in read_text(classes).split("\n") if line.strip()]
        return classes if isinstance(classes, tuple) else list(classes)

    def _infos(
        self, entries: Sequence[Entry], groups: Sequence[str] | None = None
    ) -> MutableSequence[dict[str, Any]]:
        """Return the entries of a list, and their groups, in the form of ``data_infos``."""
        folder, packed = self.data_prefix, pack(entries)
        if packed is not None:
            return ImageTable(folder, packed, None if groups is None else PackedStrings.of(groups))
        infos: list[dict[str, Any]] = [
            dict(img_prefix=folder, img_info=dict(filename=name), gt_label=label, line=line)
            for name, label, line in entries
        ]
        for info, group in zip(infos, groups or (), strict=groups is not None):
            info["group"] = group
        return infos
