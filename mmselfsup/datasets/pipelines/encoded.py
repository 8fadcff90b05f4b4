"""A JPEG file that is decoded by the transform that first needs its pixels, as coarsely as it can.

libjpeg gives half, a quarter or an eighth of each side for less work than the whole image. A crop
that is resized to fewer pixels than it has needs no more than that. The crop is drawn before, from
the size in the header, so the random numbers of a view are the same as with the whole image.

Letters: H, W size of the image, R a reduction of both sides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.uint8]
REDUCTIONS = (8, 4, 2, 1)  # R that libjpeg knows, the coarsest first
Box = tuple[int, int, int, int]  # (top, left, height, width) in pixels of the whole image


class EncodedImage:
    """An image that is decoded when a transform asks for its pixels.

    Decoded pixels are kept, for the other views of the same image.

    Args:
        shape: (H, W) of the whole image, upright.
        decode: Function of R: the pixels [H / R, W / R, 3] or [H / R, W / R], rounded up.
        from_end: Whether rows, and whether columns, were counted from the last one when sides were
            rounded up, because the image was turned afterwards.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        decode: Callable[[int], Pixels],
        from_end: tuple[bool, bool] = (False, False),
    ) -> None:
        self.shape = shape
        self._decode = decode
        self._from_end = from_end
        self._decoded: dict[int, Pixels] = {}

    def pixels(self) -> Pixels:
        """Return all pixels, [H, W, 3] or [H, W]."""
        return self._at(1)

    def part(self, box: Box, size: tuple[int, int]) -> tuple[Pixels, tuple[float, ...]]:
        """Return pixels that are fine enough for a part of the image, and where in them it is.

        Args:
            box: (top, left, height, width) in pixels of the whole image.
            size: (height, width) that the part will be resized to.

        Returns:
            The image as coarse as it may be, [H / R, W / R, 3] or [H / R, W / R], and the box in
            its pixels.
        """
        reduction = reduction_for(box[2:], size)
        top, left = (
            start + (-side % reduction if from_end else 0)
            for start, side, from_end in zip(box, self.shape, self._from_end, strict=False)
        )
        place = tuple(side / reduction for side in (top, left, *box[2:]))
        return self._at(reduction), place

    def _at(self, reduction: int) -> Pixels:
        if reduction not in self._decoded:
            self._decoded[reduction] = self._decode(reduction)
        return self._decoded[reduction]


def reduction_for(part: tuple[int, int], size: tuple[int, int]) -> int:
    """Return the largest R of ``REDUCTIONS`` that leaves a part with ``size`` pixels or more.

    Args:
        part: (height, width) of the part.
        size: (height, width) that it will be resized to.
    """
    fits = (r for r in REDUCTIONS if part[0] >= r * size[0] and part[1] >= r * size[1])
    return next(fits, 1)


def decoded(image: Any) -> Any:
    """Return the pixels of a file that is not decoded yet, and anything else as it is."""
    return image.pixels() if isinstance(image, EncodedImage) else image
