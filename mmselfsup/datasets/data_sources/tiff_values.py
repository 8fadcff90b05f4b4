"""Values of TIFF files that Pillow refuses, or reads otherwise than the file means them.

Pillow has no mode for colours of other types than 8 and 16 bits without a sign, and none for floats
of 16 or 64 bits; it takes the sign of 32-bit and of 8-bit integers otherwise than the file; and
where 0 is white (``MINISWHITE``), it turns values of 8 bits alone. OpenCV reads the values as they
are. Both mix up the values of a file that keeps each channel in a plane of its own, except three or
four channels of 8 bits, which Pillow reads. Tags: TIFF 6.0, section 8 (baseline) and 19 (sample
format).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from .deep_values import ImageError, to_8_bits

_SMALL, _BIG = (b"II*\0", b"MM\0*"), (b"II+\0", b"MM\0+")
_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _PLANES, _FORMAT = 256, 257, 258, 262, 284, 339
_SEPARATE = 2  # each channel in a plane of its own
_MIN_IS_WHITE = 0
_KINDS = {1: "u", 2: "i", 3: "f"}  # of a sample format, as NumPy names them
_NAMES = {"u": "integers", "i": "signed integers", "f": "floats"}


def tiff_image(
    data: bytes,
    value_range: Sequence[float] | None,
    check_size: Callable[[tuple[int, int] | None], None],
) -> Image.Image | None:
    """Return the image of a TIFF file, RGB or L, upright; None for files that Pillow reads.

    Args:
        data: The bytes of any file.
        value_range: See ``deep_values``.
        check_size: Raises ``ImageError`` for a width and height that may not be decoded.

    Raises:
        ImageError: OpenCV can't read the file either, or would mix up its channels, or it isn't
            known which value is white.
    """
    tags = _tags(data)
    bits, kind, photometric = tags.get(_BITS, (1,)), _kind(tags), tags.get(_PHOTOMETRIC)
    if tags.get(_PLANES) == _SEPARATE and len(bits) > 1:
        planes = (kind, max(bits)) == ("u", 8) and len(bits) in (3, 4)
        if not planes:
            raise ImageError(
                f"a TIFF file of {len(bits)} x {bits[0]} bits ({_NAMES[kind]}) with each channel "
                "in a plane of its own can't be read: save it with its channels interleaved "
                "(planar configuration 1)"
            )
    if not _is_special(bits, kind, photometric):
        return None
    check_size((int(tags.get(_WIDTH, 0)), int(tags.get(_HEIGHT, 0))))
    values = _values(data)
    if values is None or (values.dtype.kind, values.dtype.itemsize * 8) != (kind, bits[0]):
        raise ImageError(
            f"a TIFF file of {len(bits)} x {bits[0]} bits ({_NAMES[kind]}) can't be read: save it "
            "with 8 or 16 bits without a sign, or as 32-bit floats"
        )
    pixels = to_8_bits(values, value_range)
    return Image.fromarray(255 - pixels if photometric == _MIN_IS_WHITE else pixels)


def _tags(data: bytes) -> Any:
    """Return the tags of a TIFF file's first image; empty for other and for damaged files."""
    if not data.startswith(_SMALL + _BIG):
        return {}
    file = io.BytesIO(data)
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if data.startswith(_BIG) else 8])
        file.seek(tags.next)
        tags.load(file)
    except Exception:  # Pillow, which opens the file next, says what is wrong
        return {}
    return tags


def _kind(tags: Any) -> str:
    """Return the type of the values as NumPy names it."""
    return _KINDS.get(next(iter(tags.get(_FORMAT, (1,))), 1), "u")


def _is_special(bits: Sequence[int], kind: str, photometric: int | None) -> bool:
    """Return whether Pillow refuses the values of a file, or reads others."""
    if not bits or len(set(bits)) > 1:
        return False
    if len(bits) > 2:  # colours
        return (kind, bits[0]) not in {("u", n) for n in range(17)}
    if photometric == _MIN_IS_WHITE and bits[0] > 8:
        return True
    return (kind, bits[0]) in {("u", 32), ("i", 8), ("f", 16), ("f", 64)}


def _values(data: bytes) -> NDArray[Any] | None:
    """Return the values [H, W] or [H, W, 3], in RGB and without transparency; None if unknown.

    OpenCV turns the image of a TIFF file upright, whatever its flags.
    """
    try:
        values: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if values is None or values.ndim == 2:
        return None if values is None else np.asarray(values)
    return np.asarray(values[..., 0] if values.shape[2] < 3 else values[..., 2::-1])
