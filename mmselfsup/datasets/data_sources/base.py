"""Where images and labels come from."""

from __future__ import annotations

import logging
import os
from abc import ABCMeta, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmcv import FileClient
from numpy.typing import NDArray
from PIL.Image import Image

from ...utils.errors import UserError
from .decode import CHANNEL_ORDERS, COLOR_TYPES, ImageError, decode_image
from .entries import Entry, read_text

_DISK = {"backend": "disk"}


def _one_of(name: str, value: Any, accepted: Sequence[str]) -> Any:
    """Return `value` if it is accepted, else raise ValueError."""
    if value not in accepted:
        raise ValueError(f"{name} must be one of {', '.join(accepted)}, got {value!r}")
    return value


class BaseDataSource(metaclass=ABCMeta):
    """A list of images with labels, and the way to read one of them.

    A subclass says in `load_annotations` what the images are: a list with, for each image,
    `dict(img_prefix=folder, img_info=dict(filename=name), gt_label=label)`, and `line`, the line
    of `ann_file` where it stood, for error messages.

    Args:
        data_prefix: Folder of the images.
        classes: Names of the classes in the order of their numbers, or a text file with one name
            a line; by default those of the class attribute `CLASSES`.
        ann_file: List of the images.
        test_mode: Whether to take the test part, where a source has one.
        color_type: See `mmselfsup.datasets.data_sources.decode.decode_image`.
        channel_order: `rgb` or `bgr`.
        file_client_args: Arguments of mmcv's `FileClient`: the disk, or a storage service.
        on_error: What `load` does with an image that can't be read: `raise` an error, or `skip`
            it, take the next readable one instead, and count it (see `num_skipped`).
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
        file_client_args: dict[str, Any] = _DISK,  # never changed
        on_error: str = "raise",
    ) -> None:
        self.data_prefix = os.path.expanduser(data_prefix or "")
        self.ann_file = os.path.expanduser(ann_file) if isinstance(ann_file, str) else ann_file
        self.test_mode = test_mode
        self.color_type = _one_of("color_type", color_type, COLOR_TYPES)
        self.channel_order = _one_of("channel_order", channel_order, CHANNEL_ORDERS)
        self.on_error = _one_of("on_error", on_error, ("raise", "skip"))
        self.file_client_args = dict(file_client_args)
        self.file_client: Any = None  # made where it is used: a worker needs its own connection
        self.CLASSES = self.get_classes(classes)
        on_disk = self.file_client_args.get("backend") == "disk"
        if self.data_prefix and on_disk and not os.path.isdir(self.data_prefix):
            raise UserError(f"{self.data_prefix}: no such folder of images; check data_prefix")
        self.data_infos = self.load_annotations()
        # which images were skipped; shared, so that the workers' findings are seen by all
        self._broken = torch.zeros(len(self.data_infos), dtype=torch.bool)
        if on_error == "skip":
            self._broken.share_memory_()

    @abstractmethod
    def load_annotations(self) -> list[dict[str, Any]]:
        """List the images, see the class."""

    def __len__(self) -> int:
        return len(self.data_infos)

    def get_img(self, idx: int) -> Image:
        """Read the image `idx`.

        Raises:
            ImageError: It is missing, damaged, or no image.
        """
        info = self.data_infos[idx]
        path = os.path.join(info["img_prefix"] or "", info["img_info"]["filename"])
        try:
            return decode_image(self._read(path), self.color_type, self.channel_order)
        except (ImageError, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            line = f" (line {info['line']} of {self.ann_file})" if info.get("line") else ""
            raise ImageError(
                f"{path}{line}: {reason}; replace it, take it off the list, or set "
                "on_error='skip' in the data source"
            ) from error

    def load(self, idx: int) -> tuple[Image, int]:
        """Read the image `idx`, or with `on_error='skip'` the next that can be read.

        Returns:
            The image and the index that it really has: its label stands there.
        """
        if self.on_error == "raise":
            return self.get_img(idx), idx
        for candidate in [*range(idx, len(self)), *range(idx)] if self._broken[idx] else [idx]:
            if (image := self._try(candidate)) is not None:
                return image, candidate
        return self._next(idx)

    def _next(self, idx: int) -> tuple[Image, int]:
        """The first readable image behind `idx`, from the start again after the end."""
        for step in range(1, len(self)):
            candidate = (idx + step) % len(self)
            if (image := self._try(candidate)) is not None:
                return image, candidate
        raise UserError(f"none of the {len(self)} images in {self.data_prefix} can be read")

    def _try(self, idx: int) -> Image | None:
        """Read an image that is not known as broken; None, and a note, if that can't be done."""
        if self._broken[idx]:
            return None
        try:
            return self.get_img(idx)
        except UserError as error:
            self._broken[idx] = True
            logging.getLogger("mmselfsup").warning("skipped: %s", error)
            return None

    def num_skipped(self) -> int:
        """How many images were found unreadable and skipped so far, over all workers."""
        return int(self._broken.sum())

    def _read(self, path: str) -> bytes:
        """The bytes of a file."""
        if self.file_client is None:
            self.file_client = FileClient(**self.file_client_args)
        return bytes(self.file_client.get(path))

    def get_gt_labels(self) -> NDArray[np.int64]:
        """The labels of all images: [len], or [len, L] where each has L labels."""
        labels = [info["gt_label"] for info in self.data_infos]
        if len({np.shape(label) for label in labels}) > 1:
            raise UserError(f"{self.ann_file}: all images need the same number of labels")
        return np.array(labels, dtype=np.int64)

    def get_cat_ids(self, idx: int) -> int:
        """The label of the image `idx`."""
        return int(self.data_infos[idx]["gt_label"])

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The number of each class name."""
        return {name: number for number, name in enumerate(self.CLASSES or ())}

    @classmethod
    def get_classes(cls, classes: str | Sequence[str] | None = None) -> list[str] | None:
        """Read the argument `classes`: names, a file with one name a line, or None."""
        if classes is None:
            return None if cls.CLASSES is None else list(cls.CLASSES)
        if isinstance(classes, str):
            return [line.strip() for line in read_text(classes).splitlines() if line.strip()]
        if isinstance(classes, (list, tuple)):
            return list(classes)
        raise ValueError(f"classes must be names or the path of a file, got {type(classes)}")

    def _infos(self, entries: Sequence[Entry]) -> list[dict[str, Any]]:
        """Turn the entries of a list into `data_infos`."""
        return [
            {
                "img_prefix": self.data_prefix,
                "img_info": {"filename": name},
                "gt_label": label,
                "line": line,
            }
            for name, label, line in entries
        ]
