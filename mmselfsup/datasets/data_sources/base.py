"""The base class of data sources."""

from __future__ import annotations

import os
from abc import ABCMeta, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mmselfsup.utils.errors import UserError

from ..cache.open import open_cache
from .entries import Entry, read_text
from .loading import Loading
from .reader import ImageReader, one_of


class BaseDataSource(Loading, metaclass=ABCMeta):
    """A list of images with labels that reads them one by one.

    A subclass returns its images from ``load_annotations``: a list with, for each image,
    ``dict(img_prefix=folder, img_info=dict(filename=name), gt_label=label)``, and ``line``, the
    line of ``ann_file`` where it stood, for error messages.

    Args:
        data_prefix: Folder of the images.
        classes: Names of the classes in the order of their numbers, or a text file with one name
            a line; by default those of the class attribute ``CLASSES``.
        ann_file: List of the images.
        test_mode: Whether to take the test part, where a source has one.
        color_type: ``color``, ``grayscale``, or ``unchanged``, see ``decode.decode_image``.
        channel_order: ``rgb`` or ``bgr``.
        file_client_args: Arguments of mmcv's ``FileClient``: the disk, or a storage service.
        on_error: What ``load`` does with an image that can't be read: ``raise`` an error, or
            ``skip`` it, take the next readable one instead, and count it (see ``num_skipped``).
        cache: ``dict(dir=folder, short_side=256)``: decode each image once and store it there, see
            ``mmselfsup.datasets.cache.open_cache``.
    """

    CLASSES: Any = None

    def __init__(
        self,
        data_prefix: str | None,
        classes: str | Sequence[str] | None = None,
        ann_file: str | None = None,
        test_mode: bool = False,
        color_type: str = "color",
        channel_order: str = "rgb",
        file_client_args: dict[str, Any] = dict(backend="disk"),  # noqa: B006
        on_error: str = "raise",
        cache: dict[str, Any] | None = None,
    ) -> None:
        self.data_prefix = os.path.expanduser(data_prefix or "")
        self.ann_file = None if ann_file is None else os.path.expanduser(ann_file)
        self.test_mode = test_mode
        self.reader = ImageReader(color_type, channel_order, file_client_args)
        self.on_error = one_of("on_error", on_error, ("raise", "skip"))
        self.CLASSES = self.get_classes(classes)
        if self.data_prefix and self.reader.on_disk and not os.path.isdir(self.data_prefix):
            raise UserError(f"{self.data_prefix}: no such folder of images; check data_prefix")
        self.data_infos = self.load_annotations()  # after ``CLASSES``, which it may need and set
        # which images were skipped; in shared memory, so that all workers know of them
        self._broken = torch.zeros(len(self.data_infos), dtype=torch.bool)
        if on_error == "skip":
            self._broken.share_memory_()
        self.cache = None if cache is None else open_cache(self, **cache)  # last: it reads images

    @abstractmethod
    def load_annotations(self) -> list[dict[str, Any]]:
        """Return the images, see the class."""

    def __len__(self) -> int:
        return len(self.data_infos)

    def get_gt_labels(self) -> NDArray[np.int64]:
        """Return the labels of all images: [len], or [len, L] where each has L labels."""
        labels = [info["gt_label"] for info in self.data_infos]
        if len({np.shape(label) for label in labels}) > 1:
            raise UserError(f"{self.ann_file}: all images need the same number of labels")
        return np.array(labels, dtype=np.int64)

    def image_names(self) -> list[str] | None:
        """Return the file name of each image below its folder, [len].

        None where the images are no files.
        """
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
    def get_classes(cls, classes: str | Sequence[str] | None = None) -> list[str] | None:
        """Return the names of ``classes``: a list, a file with one name a line, or None."""
        if classes is None:
            return None if cls.CLASSES is None else list(cls.CLASSES)
        if isinstance(classes, str):
            return [line.strip() for line in read_text(classes).splitlines() if line.strip()]
        return list(classes)

    def _infos(self, entries: Sequence[Entry]) -> list[dict[str, Any]]:
        """Return the entries of a list in the form of ``data_infos``."""
        folder = self.data_prefix
        return [
            dict(img_prefix=folder, img_info=dict(filename=name), gt_label=label, line=line)
            for name, label, line in entries
        ]
