"""Reading image files from the disk or from a storage service, and decoding them.

JPEG and PNG are decoded by OpenCV, directly in the wanted order of channels; any other format, and
what OpenCV refuses, by Pillow, which reads more formats and has better error messages. Formats
other than ``IMAGE_FORMATS`` are refused by the first bytes of the file, whatever its name.

Colour: the result is RGB with 8 bits a channel for every kind of file (grey, palette, CMYK,
transparency, more than 8 bits a channel); transparency is dropped. Grey is the luma of ITU-R 601 of
the values in the file, also where a PNG file has a gamma. The EXIF orientation is applied,
unless the colour type ends with ``_ignore_orientation`` (Pillow always applies that of a TIFF
file).

Values of more than 8 bits become 0..255 by ``value_range`` or the rules of ``deep_values``. DICOM
files and arrays (``.npy``) are read by ``scans``, TIFF files of other numbers by ``tiff_values``.

Size: the header is read first, and an image of more pixels than ``max_pixels`` is refused before
its pixels take memory.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections import Counter
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
from mmselfsup.utils.image_names import IMAGE_FORMATS, left_out_text

from ..pipelines.encoded import Pixels
from .deep_values import ImageError, check_value_range, to_8_bits
from .jpeg_header import JPEG, jpeg_has_end, jpeg_size
from .lists import find_images, report_left_out
from .scans import is_scan, read_scan
from .tiff_values import tiff_image

_IGNORE = "_ignore_orientation"
_COLOUR_FLAGS = {"rgb": cv2.IMREAD_COLOR_RGB, "bgr": cv2.IMREAD_COLOR_BGR}
# With the flag of a colour these mean colour too, without one grey.
_REDUCED = {
    1: 0,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
CHANNEL_ORDERS = (*_COLOUR_FLAGS,)
COLOR_TYPES = ("color", "grayscale", f"color{_IGNORE}", f"grayscale{_IGNORE}", "unchanged")
MAX_PIXELS = "MMSELFSUP_MAX_PIXELS"  # environment variable
_DEFAULT_MAX_PIXELS = 178_956_970  # Pillow's own limit; half a gigabyte of RGB
__all__ = [
    "ImageError",
    "ImageReader",
    "check_value_range",
    "decode_pixels",
    "open_rgb",
    "to_8_bits",
]
_TIFF_BITS = 258  # tag of a TIFF file: bits of each channel
_PNG, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
# What Pillow raises for broken files; struct.error and others hide in its plugins.
_BROKEN = (OSError, ValueError, SyntaxError, EOFError, KeyError, Image.DecompressionBombError)


def ignores_orientation(color_type: str) -> bool:
    """Return whether the EXIF orientation is not applied."""
    return color_type.endswith(_IGNORE)


def decode_image(
    data: bytes,
    color_type: str = "color",
    channel_order: str = "rgb",
    value_range: Sequence[float] | None = None,
) -> Image.Image:
    """Return an image file decoded to a PIL image, RGB or L; see ``decode_pixels``."""
    return as_image(decode_pixels(data, color_type, channel_order, value_range))


def as_image(decoded: NDArray[np.uint8] | Image.Image) -> Image.Image:
    """Return the result of ``decode_pixels`` as a PIL image."""
    return Image.fromarray(decoded) if isinstance(decoded, np.ndarray) else decoded


def decode_pixels(
    data: bytes,
    color_type: str = "color",
    channel_order: str = "rgb",
    value_range: Sequence[float] | None = None,
) -> NDArray[np.uint8] | Image.Image:
    """Return the decoded image of a file.

    Args:
        data: The bytes of the file.
        color_type: ``color``, ``grayscale``, one of these with ``_ignore_orientation``, or
            ``unchanged``, which leaves mode, orientation and values as they are in the file.
        channel_order: ``rgb``, or ``bgr`` to swap the channels of a colour image.
        value_range: Which values of a file with more than 8 bits become 0 and 255, the others in
            proportion; files with 8 bits stay as they are. None for the rules of this module.

    Returns:
        [H, W, 3] or [H, W]; a PIL image where the colour type is ``unchanged``.

    Raises:
        ImageError: The file is empty, truncated, too large or no image, or it isn't known which of
            its values is white.
    """
    if not data:
        raise ImageError("the file is empty")
    if is_scan(data):
        return _decode_scan(data, color_type, channel_order, value_range)
    size = image_size(data)
    check_size(size)
    if color_type == "unchanged":
        return _open(data)
    pixels = None
    if data.startswith((JPEG, _PNG)):
        if not has_end(data):
            raise ImageError("the file is damaged (its end is missing)")
        if data.startswith(_PNG) and data[24:25] == b"\x10":  # bits of a channel
            pixels = _decode_deep(data, color_type, channel_order, value_range)
        # Without a size nothing was checked: Pillow checks for itself.
        if pixels is None and size is not None:
            pixels = opencv_pixels(data, color_type, channel_order)
    if pixels is None:
        pixels = _ordered(_decode_pillow(data, color_type, value_range), channel_order)
    return pixels


def convert_pixels(
    image: Image.Image,
    color_type: str = "color",
    channel_order: str = "rgb",
    value_range: Sequence[float] | None = None,
) -> NDArray[np.uint8] | Image.Image:
    """Return an image of Pillow as ``decode_pixels`` returns the file that it was opened from.

    A file with more than 8 bits for each of several channels has lost the lower ones when Pillow
    opened it; give its path instead.

    Args:
        image: An image of any mode.
        color_type: See ``decode_pixels``, as the other arguments and the result.
        channel_order: ``rgb`` or ``bgr``.
        value_range: Which values become 0 and 255.

    Raises:
        ImageError: It isn't known which of its values is white.
    """
    if color_type == "unchanged":
        return image
    return _ordered(_converted(image, color_type, value_range), channel_order)


def _ordered(image: Image.Image, channel_order: str) -> NDArray[np.uint8]:
    """Return the pixels of an RGB or L image with their channels in an order."""
    pixels = np.array(image)
    return pixels[..., ::-1].copy() if channel_order == "bgr" and pixels.ndim == 3 else pixels


def max_pixels() -> int:
    """Return how many pixels an image may have; 0 for any number.

    It is the environment variable ``MMSELFSUP_MAX_PIXELS`` where this is set.

    Raises:
        UserError: The variable is no whole number from 0.
    """
    text = os.environ.get(MAX_PIXELS, "")
    if not text:
        return _DEFAULT_MAX_PIXELS
    if not text.isdecimal():
        raise UserError(f"{MAX_PIXELS}={text!r}: give a number of pixels, or 0 for no limit")
    # The user knows of large images: Pillow's own limit would only be in the way.
    Image.MAX_IMAGE_PIXELS = None
    return int(text)


def image_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height from the header of a JPEG or PNG file; None for other files."""
    if data.startswith(_PNG):
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    return jpeg_size(data) if data.startswith(JPEG) else None


def check_size(size: tuple[int, int] | None) -> None:
    """Check that an image of this width and height may be decoded.

    Raises:
        ImageError: It has more pixels than ``max_pixels``.
    """
    limit = max_pixels()
    if size is not None and limit and size[0] * size[1] > limit:
        raise ImageError(
            f"the image has {size[0]} x {size[1]} pixels, more than {limit}; if it is what you "
            f"expect, set {MAX_PIXELS}={size[0] * size[1]} (0: no limit)"
        )


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
        value_range: See ``decode.decode_pixels``.

    Raises:
        ArgumentError: An argument is not known, or ``bgr`` is asked for of images that stay as they
            are in the file.
    """

    def __init__(
        self,
        color_type: str,
        channel_order: str,
        file_client_args: dict[str, Any],
        value_range: Sequence[float] | None = None,
    ) -> None:
        self.color_type = one_of("color_type", color_type, COLOR_TYPES)
        self.channel_order = one_of("channel_order", channel_order, CHANNEL_ORDERS)
        if color_type == "unchanged" and channel_order != "rgb":
            raise ArgumentError(
                "channel_order='bgr' has no effect with color_type='unchanged', which leaves "
                "images as they are in the file: set color_type='color'"
            )
        self.file_client_args = dict(file_client_args)
        self.value_range = check_value_range(value_range)
        self._client: Any = None  # opened at the first image: each worker needs its own connection

    @property
    def on_disk(self) -> bool:
        """Return whether the files are on a disk of this machine."""
        return bool(self.file_client_args.get("backend") == "disk")

    @property
    def service(self) -> str:
        """Return a digest of a storage service's options; '' for the disk and without options.

        Equal names in two stores are other images.
        """
        if self.on_disk or self.file_client_args.keys() <= {"backend"}:
            return ""
        text = json.dumps(self.file_client_args, sort_keys=True, default=lambda v: type(v).__name__)
        return hashlib.sha256(text.encode()).hexdigest()[:16]  # a digest: it may hold a password

    def read(self, path: str) -> Image.Image:
        """Return one image as a PIL image, see ``read_pixels``."""
        return as_image(self.read_pixels(path))

    def convert(self, image: Image.Image) -> Pixels | Image.Image:
        """Return an image of Pillow as ``read_pixels`` returns its file, see ``convert_pixels``."""
        return convert_pixels(image, self.color_type, self.channel_order, self.value_range)

    def read_pixels(self, path: str) -> Pixels | Image.Image:
        """Return one image: an array, or a PIL image for the colour type ``unchanged``.

        Raises:
            OSError: The file can't be read.
            ImageError: It can't be decoded.
        """
        return self.decode(self.read_bytes(path))

    def decode(self, data: bytes) -> Pixels | Image.Image:
        """Return the image of a file's bytes, see ``decode_pixels``."""
        return decode_pixels(data, self.color_type, self.channel_order, self.value_range)

    def read_bytes(self, path: str) -> bytes:
        """Return the bytes of a file.

        Raises:
            OSError: It can't be read.
        """
        if self._client is None:
            self._client = FileClient(**self.file_client_args)
        return bytes(self._client.get(path))


def open_rgb(
    path: str | os.PathLike[str], value_range: Sequence[float] | None = None
) -> Image.Image:
    """Return an image file as RGB, 8 bits a channel, turned upright as its EXIF data say.

    Args:
        path: The file.
        value_range: See ``decode_pixels``.

    Raises:
        UserError: The file is missing, empty, truncated, or no image.
    """
    try:
        return decode_image(Path(path).read_bytes(), value_range=value_range)
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
    others: Counter[str] = Counter()
    names = find_images(str(folder), others=others)
    if not names:
        there = f" but {left_out_text(others)}" if others else "; check the path"
        raise UserError(f"there is no image in {folder} and its folders{there}")
    report_left_out(str(folder), others)
    return [Path(name) for name in names]


def has_end(data: bytes) -> bool:
    """Return whether a JPEG or PNG file has its end marker; data of a camera may follow it.

    Decoders don't report a truncated file: some fill the missing part with grey.
    """
    return _PNG_END in data if data.startswith(_PNG) else jpeg_has_end(data)


def opencv_pixels(
    data: bytes, color_type: str, channel_order: str, reduction: int = 1
) -> NDArray[np.uint8] | None:
    """Return the pixels [H, W] or [H, W, 3] decoded by OpenCV, or None where it can't.

    Args:
        data: The bytes of a file.
        color_type: See ``decode_pixels``, as ``channel_order``.
        channel_order: ``rgb`` or ``bgr``.
        reduction: 2, 4 or 8 divides both sides of a JPEG file's image, rounded up.
    """
    grey = color_type.startswith("grayscale")
    # libpng, asked for grey, would take the mean in linear light where the file has a gamma.
    from_colour = grey and data.startswith(_PNG)
    order = "rgb" if from_colour else channel_order
    flags = cv2.IMREAD_GRAYSCALE if grey and not from_colour else _COLOUR_FLAGS[order]
    flags |= _REDUCED[reduction]
    if ignores_orientation(color_type):
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels: Any = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    if from_colour and pixels is not None:
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
    return pixels


def _decode_deep(
    data: bytes, color_type: str, channel_order: str, value_range: Sequence[float] | None
) -> NDArray[np.uint8] | None:
    """Return the pixels of a file with 16 bits a channel, or None where OpenCV can't decode it."""
    flags = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR  # blue first
    if ignores_orientation(color_type):
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
    try:
        values: Any = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    if values is None or values.dtype != np.uint16:
        return None
    pixels = to_8_bits(values, value_range)
    if color_type.startswith("grayscale"):
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY))
    return pixels if channel_order == "bgr" else pixels[..., ::-1].copy()


def _decode_scan(
    data: bytes, color_type: str, channel_order: str, value_range: Sequence[float] | None
) -> NDArray[np.uint8] | Image.Image:
    """Return the pixels of a DICOM file or an array; a PIL image for ``unchanged``."""
    image = Image.fromarray(read_scan(data, value_range, check_size))
    if color_type == "unchanged":
        return image
    grey = color_type.startswith("grayscale")
    return _ordered(image.convert("L" if grey else "RGB"), channel_order)


def _open(data: bytes) -> Image.Image:
    """Return the image opened and decoded by Pillow."""
    with _image_errors():
        image = Image.open(io.BytesIO(data), formats=IMAGE_FORMATS)
        check_size(image.size)
        image.load()
    return image


def _decode_pillow(
    data: bytes, color_type: str, value_range: Sequence[float] | None
) -> Image.Image:
    """Return the image decoded by Pillow to RGB or L; TIFF values that it can't read, by OpenCV."""
    tiff = tiff_image(data, value_range, check_size)
    if tiff is not None:
        return tiff.convert("L" if color_type.startswith("grayscale") else "RGB")
    image = _open(data)
    if image.format == "PPM" and value_range is not None:  # Pillow has scaled the values
        deep = _decode_deep(data, color_type, "rgb", value_range)
        if deep is not None:
            return Image.fromarray(deep)
    bits = getattr(image, "tag_v2", {}).get(_TIFF_BITS, ())
    if image.mode in ("RGB", "RGBA", "RGBX") and max(bits, default=8) > 8:
        # Pillow has dropped the lower byte already.
        deep = _decode_deep(data, color_type, "rgb", value_range)
        if deep is None:
            raise ImageError(f"{bits[0]} bits a channel can't be read from this kind of file")
        return Image.fromarray(deep)
    return _converted(image, color_type, value_range)


def _converted(
    image: Image.Image, color_type: str, value_range: Sequence[float] | None
) -> Image.Image:
    """Return a PIL image of any mode as RGB or L, upright."""
    kind = image.format
    with _image_errors():
        if not ignores_orientation(color_type):
            image = ImageOps.exif_transpose(image)
        # Pillow would cut values above 255 off.
        if image.mode.startswith("I;16"):
            image = Image.fromarray(to_8_bits(np.asarray(image).astype(np.uint16), value_range))
        elif image.mode == "I" and kind == "PPM":
            if value_range is not None:
                raise ImageError(
                    "value_range counts in the file's values, which Pillow has scaled: give the "
                    "path of the file in place of the opened image"
                )
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))  # its header: white
        elif image.mode in ("I", "F"):
            image = Image.fromarray(to_8_bits(np.asarray(image), value_range))
        if image.mode == "LAB":  # Pillow can't convert it to grey directly
            image = image.convert("RGB")
        return image.convert("L" if color_type.startswith("grayscale") else "RGB")


@contextmanager
def _image_errors() -> Iterator[None]:
    """Turn Pillow's errors inside the block into ``ImageError``."""
    try:
        yield
    except ImageError:
        raise
    except Image.UnidentifiedImageError:
        raise ImageError(
            f"this is no image file, or of another format than {', '.join(IMAGE_FORMATS)}"
        ) from None
    except _BROKEN as error:
        raise ImageError(f"the file is damaged ({error})") from error
