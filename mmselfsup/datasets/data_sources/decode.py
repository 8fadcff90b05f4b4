"""Reading image files from the disk or from a storage service, and decoding them.

JPEG and PNG are decoded by OpenCV, directly in the wanted order of channels; any other format, and
what OpenCV refuses, by Pillow, which reads more formats and has better error messages.

Colour: the result is RGB with 8 bits a channel for every kind of file (grey, palette, CMYK,
transparency, 16 bits a channel); transparency is dropped, and of 16 bits the upper 8 are used. The
EXIF orientation is applied, unless the colour type ends with ``_ignore_orientation`` (Pillow always
applies that of a TIFF file).
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmcv import FileClient
from numpy.typing import NDArray
from PIL import Image, ImageOps

from mmselfsup.utils.errors import ArgumentError, UserError

from ..pipelines.formatting import Pixels
from .lists import find_images

_IGNORE = "_ignore_orientation"
_COLOUR_FLAGS = {"rgb": cv2.IMREAD_COLOR_RGB, "bgr": cv2.IMREAD_COLOR_BGR}
CHANNEL_ORDERS = (*_COLOUR_FLAGS,)
COLOR_TYPES = ("color", "grayscale", f"color{_IGNORE}", f"grayscale{_IGNORE}", "unchanged")
_JPEG, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_PNG, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
# What Pillow raises for broken files; struct.error and others hide in its plugins.
_BROKEN = (OSError, ValueError, SyntaxError, EOFError, KeyError, Image.DecompressionBombError)


class ImageError(UserError):
    """An image can't be read.

    A loader's worker passes an error on as text with its traceback, which would hide the one line
    that helps; so the constructor extracts the message again.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message.rpartition(f"{type(self).__name__}: ")[2].strip())


def decode_image(data: bytes, color_type: str = "color", channel_order: str = "rgb") -> Image.Image:
    """Return an image file decoded to a PIL image, RGB or L; see ``decode_pixels``."""
    return as_image(decode_pixels(data, color_type, channel_order))


def as_image(decoded: NDArray[np.uint8] | Image.Image) -> Image.Image:
    """Return the result of ``decode_pixels`` as a PIL image."""
    return Image.fromarray(decoded) if isinstance(decoded, np.ndarray) else decoded


def decode_pixels(
    data: bytes, color_type: str = "color", channel_order: str = "rgb"
) -> NDArray[np.uint8] | Image.Image:
    """Return the decoded image of a file.

    Args:
        data: The bytes of the file.
        color_type: ``color``, ``grayscale``, one of these with ``_ignore_orientation``, or
            ``unchanged``, which leaves mode and orientation as they are in the file.
        channel_order: ``rgb``, or ``bgr`` to swap the channels of a colour image.

    Returns:
        [H, W, 3] or [H, W]; a PIL image where the colour type is ``unchanged``.

    Raises:
        ImageError: The file is empty, truncated, or no image.
    """
    if not data:
        raise ImageError("the file is empty")
    if color_type == "unchanged":
        return _open(data)
    pixels = None
    if data.startswith((_JPEG, _PNG)):
        if not _has_end(data):
            raise ImageError("the file is damaged (its end is missing)")
        pixels = _decode_opencv(data, color_type, channel_order)
    if pixels is None:
        pixels = np.array(_decode_pillow(data, color_type))
        if channel_order == "bgr" and pixels.ndim == 3:
            pixels = pixels[..., ::-1].copy()
    return pixels


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

    def read(self, path: str) -> Image.Image:
        """Return one image as a PIL image, see ``read_pixels``."""
        return as_image(self.read_pixels(path))

    def read_pixels(self, path: str) -> Pixels | Image.Image:
        """Return one image: an array, or a PIL image for the colour type ``unchanged``.

        Raises:
            OSError: The file can't be read.
            ImageError: It can't be decoded.
        """
        if self._client is None:
            self._client = FileClient(**self.file_client_args)
        return decode_pixels(bytes(self._client.get(path)), self.color_type, self.channel_order)


def open_rgb(path: str | os.PathLike[str]) -> Image.Image:
    """Return an image file as RGB, 8 bits a channel, turned upright as its EXIF data say.

    Raises:
        UserError: The file is missing, empty, truncated, or no image.
    """
    try:
        return decode_image(Path(path).read_bytes())
    except OSError as error:
        raise UserError(f"can't read the image {path}: {error.strerror or error}") from error
    except ImageError as error:
        raise UserError(f"can't read the image {path}: {error}") from error


def walk_images(folder: str | os.PathLike[str]) -> list[Path]:
    """Return the paths of all images below ``folder``, relative and sorted, without hidden ones.

    Raises:
        UserError: No such folder, or no image in it.
    """
    if not os.path.isdir(folder):
        raise UserError(f"there is no folder {folder}; check the path")
    names = find_images(str(folder))
    if not names:
        raise UserError(f"there is no image in {folder} and its folders; check the path")
    return [Path(name) for name in names]


def _has_end(data: bytes) -> bool:
    """Return whether a JPEG or PNG file has its end marker; data of a camera may follow it.

    Decoders don't report a truncated file: some fill the missing part with grey.
    """
    if data.startswith(_PNG):
        return _PNG_END in data
    if data.endswith(_JPEG_END):
        return True
    at = 2  # walk from segment to segment to the pixels: a thumbnail has an end mark of its own
    while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] != b"\xda":
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return data.find(_JPEG_END, at) >= 0


def _decode_opencv(data: bytes, color_type: str, channel_order: str) -> NDArray[np.uint8] | None:
    """Return the pixels [H, W] or [H, W, 3] decoded by OpenCV, or None where it can't."""
    grey = color_type.startswith("grayscale")
    flags = cv2.IMREAD_GRAYSCALE if grey else _COLOUR_FLAGS[channel_order]
    if color_type.endswith(_IGNORE):
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels: Any = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    return pixels


def _open(data: bytes) -> Image.Image:
    """Return the image opened and decoded by Pillow."""
    with _image_errors():
        image = Image.open(io.BytesIO(data))
        image.load()
    return image


def _decode_pillow(data: bytes, color_type: str) -> Image.Image:
    """Return the image decoded by Pillow to RGB or L."""
    image = _open(data)
    with _image_errors():
        if not color_type.endswith(_IGNORE):
            image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16"):  # Pillow would cut values above 255 off
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        if image.mode == "LAB":  # Pillow can't convert it to grey directly
            image = image.convert("RGB")
        return image.convert("L" if color_type.startswith("grayscale") else "RGB")


@contextmanager
def _image_errors() -> Iterator[None]:
    """Turn Pillow's errors inside the block into ``ImageError``."""
    try:
        yield
    except Image.UnidentifiedImageError:
        raise ImageError("this is no image file, or of a format that can't be read") from None
    except _BROKEN as error:
        raise ImageError(f"the file is damaged ({error})") from error
