"""Values of more than 8 bits as 0..255.

By ``value_range``, which names black and white, or without it:

- 16 bits: the upper 8 bits are used; values that all are below 4096 have 12 bits or fewer and would
  be nearly black, so they are refused;
- 32-bit integers: 0..255 stay, others are refused;
- floats: 0..1 becomes 0..255, up to 255 they stay, others are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmselfsup.utils.errors import ArgumentError, UserError

_LEAST_16_BIT = 4096  # an image of 16 bits whose values all are below has 12 bits
_UPPER_BYTE = (0.0, 65535.0)


class ImageError(UserError):
    """An image can't be read.

    A loader's worker passes an error on as text with its traceback, which would hide the one line
    that helps; so the constructor extracts the message again.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message.rpartition(f"{type(self).__name__}: ")[2].strip())


def to_8_bits(
    values: NDArray[Any], value_range: Sequence[float] | None = None
) -> NDArray[np.uint8]:
    """Return values of more than 8 bits as 0..255, see the module.

    Args:
        values: uint16, integers of another size, or floats, of any shape.
        value_range: Which values become 0 and 255; None for the rules of the module.

    Raises:
        ImageError: A value is no number, or it isn't known which value is white.
    """
    low, high = (values.min(), values.max()) if values.size else (0, 0)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ImageError("some of its values are not finite")
    if value_range is None:
        value_range = _range_of(values.dtype, low, high)
        if value_range == _UPPER_BYTE:
            return (values >> 8).astype(np.uint8)
    start, end = value_range
    unit = (values.astype(np.float64) - start) / (end - start)
    return np.rint(unit.clip(0.0, 1.0) * 255).astype(np.uint8)


def _range_of(dtype: np.dtype[Any], low: Any, high: Any) -> tuple[float, float]:
    """Return which values are black and white in an image whose values are low..high."""
    if dtype == np.uint16:
        if 0 < high < _LEAST_16_BIT:
            white = max(2 ** int(high).bit_length(), 256) - 1
            raise ImageError(
                f"of its 16 bits only 12 or fewer are in use (values up to {high}): set "
                f"value_range=[0, {white}] in the data source, [0, 4095] for 12 bits, or "
                "[0, 65535] if it is so dark"
            )
        return _UPPER_BYTE
    is_float = np.issubdtype(dtype, np.floating)
    if low >= 0 and high <= 255:
        return (0.0, 1.0) if is_float and high <= 1 else (0.0, 255.0)
    kind = "floats" if is_float else f"{8 * dtype.itemsize}-bit integers"
    raise ImageError(
        f"its values are {kind} from {low:g} to {high:g}, and nothing says which is white: set "
        "value_range=[black, white] in the data source"
    )


def check_value_range(value_range: Any) -> tuple[float, float] | None:
    """Return ``value_range`` if it is two finite numbers, the smaller one first, or None.

    Raises:
        ArgumentError: It is not.
    """
    if value_range is None:
        return None
    numbers = list(value_range) if isinstance(value_range, list | tuple) else []
    good = len(numbers) == 2 and all(isinstance(n, int | float) and np.isfinite(n) for n in numbers)
    if not good or not numbers[0] < numbers[1]:
        raise ArgumentError(f"value_range must be [black, white], two numbers, got {value_range!r}")
    return float(numbers[0]), float(numbers[1])
