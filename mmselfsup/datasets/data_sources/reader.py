"""Reading image files from the disk or from a storage service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmcv import FileClient
from PIL.Image import Image

from mmselfsup.utils.errors import ArgumentError

from ..pipelines.pixels import Pixels
from .decode import CHANNEL_ORDERS, COLOR_TYPES, as_image, decode_pixels


def one_of(name: str, value: Any, accepted: Sequence[str]) -> Any:
    """Return ``value`` if it is accepted.

    Raises:
        ArgumentError: It is not.
    """
    if value not in accepted:
        raise ArgumentError(f"{name} must be one of {', '.join(accepted)}, got {value!r}")
    return value


class ImageReader:
    """A reader and decoder of image files.

    Args:
        color_type: See ``decode.decode_image``.
        channel_order: See ``decode.decode_image``.
        file_client_args: Arguments of mmcv's ``FileClient``.
    """

    def __init__(
        self, color_type: str, channel_order: str, file_client_args: dict[str, Any]
    ) -> None:
        self.color_type = one_of("color_type", color_type, COLOR_TYPES)
        self.channel_order = one_of("channel_order", channel_order, CHANNEL_ORDERS)
        self.file_client_args = dict(file_client_args)
        self._client: Any = None  # opened at the first image: each worker needs its own connection

    @property
    def on_disk(self) -> bool:
        """Return whether the files are on a disk of this machine."""
        return bool(self.file_client_args.get("backend") == "disk")

    def read(self, path: str) -> Image:
        """Return one image as a PIL image, see ``read_pixels``."""
        return as_image(self.read_pixels(path))

    def read_pixels(self, path: str) -> Pixels | Image:
        """Return one image: an array, or a PIL image for the colour type ``unchanged``.

        Raises:
            OSError: The file can't be read.
            ImageError: It can't be decoded.
        """
        if self._client is None:
            self._client = FileClient(**self.file_client_args)
        return decode_pixels(bytes(self._client.get(path)), self.color_type, self.channel_order)
