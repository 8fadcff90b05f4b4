"""Images that are named one by one, or are in memory: for predictions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ..pipelines.encoded import Pixels
from .base import BaseDataSource
from .decode import ImageError
from .lists import NO_LABEL
from .shards import Shards


@dataclass(frozen=True)
class ShardImage:
    """An image of shards: the data source, and its number there."""

    source: Shards
    idx: int

    def __fspath__(self) -> str:
        """Return its name in the index."""
        name: str = self.source.data_infos[self.idx]["img_info"]["filename"]
        return name


#: An image: the path of its file, its place in shards, or its pixels.
Given = str | os.PathLike[str] | Image.Image | NDArray[np.uint8]


class GivenImages(BaseDataSource):
    """Images without labels, read by the rules of a data source's files.

    An image that can't be read does not stop the others: it becomes a black one, and ``errors``
    names it.

    Args:
        images: Paths, images of shards, PIL images, or arrays [H, W, 3] or [H, W] (uint8).
        **reading: How files are read: ``color_type``, ``channel_order``, ``value_range``,
            ``file_client_args``; see ``BaseDataSource``.
    """

    def __init__(self, images: Sequence[Given], **reading: Any) -> None:
        self._images = list(images)
        super().__init__(None, **reading)
        self._broken.share_memory_()  # a loader's workers tell which images they could not read

    def load_annotations(self) -> list[dict[str, Any]]:
        return [
            dict(img_prefix="", img_info=dict(filename=_name(image, number)), gt_label=NO_LABEL)
            for number, image in enumerate(self._images)
        ]

    def path(self, idx: int) -> str:
        image = self._images[idx]
        return image.source.path(image.idx) if isinstance(image, ShardImage) else super().path(idx)

    def read_bytes(self, idx: int) -> bytes:
        image = self._images[idx]
        if isinstance(image, ShardImage):
            return image.source.read_bytes(image.idx)
        return super().read_bytes(idx)

    def decode(self, idx: int) -> Pixels | Image.Image:
        image = self._images[idx]
        if isinstance(image, str | os.PathLike):
            return super().decode(idx)
        return self.reader.convert(image if isinstance(image, Image.Image) else _from_array(image))

    def load_pixels(self, idx: int) -> tuple[Pixels | Image.Image, int]:
        try:
            return self.get_pixels(idx), idx
        except ImageError:
            self._broken[idx] = True
            channels = () if self.reader.color_type.startswith("grayscale") else (3,)
            return np.zeros((8, 8, *channels), np.uint8), idx

    def errors(self) -> dict[int, str]:
        """Return why the images that were asked for could not be read, by their number."""
        reasons = {}
        for idx in torch.nonzero(self._broken).flatten().tolist():
            try:
                self.get_pixels(idx)
            except ImageError as error:
                reasons[idx] = str(error)
        return reasons


def _name(image: Given, number: int) -> str:
    """Return the name of an image: its path, or that in memory its number."""
    return os.fspath(image) if isinstance(image, str | os.PathLike) else f"image {number}"


def _from_array(pixels: NDArray[np.uint8]) -> Image.Image:
    """Return an array as a PIL image.

    Raises:
        ImageError: It is no image of 8 bits.
    """
    array = np.asarray(pixels)
    if array.dtype != np.uint8 or array.shape[2:] not in ((), (3,)) or array.ndim < 2:
        raise ImageError(
            f"an array of {array.dtype} {list(array.shape)} is no image: give [H, W, 3] or [H, W] "
            "of uint8, 0 to 255"
        )
    return Image.fromarray(array)
