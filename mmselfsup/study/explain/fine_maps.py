"""Heat maps finer than the last stage of a network.

Letters: N images, H, W pixels, h, w places.

A network for 64 pixels ends with 2 x 2 places, and the pixels of a place depend on the padding and
the strides of the layers. So the map is computed for copies of the image, shifted by parts of a
place and mirrored; the maps are moved back and averaged, which leaves what belongs to the image.
The rim of a copy has the smallest weight, so that no seams appear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

_SHIFTS = (-3, -1, 1, 3)  # eighths of a place


def fine_maps(heat: Callable[[Tensor], Tensor], img: Tensor) -> tuple[Tensor, list[int]]:
    """Return the mean map over 16 shifts and 4 mirrorings.

    Args:
        heat: Function that returns maps [N, h, w] of images.
        img: Images [N, 3, H, W].

    Returns:
        Maps [N, H, W], and [h, w].
    """
    places = list(heat(img).shape[1:])
    size = list(img.shape[2:])
    steps = [length / number for length, number in zip(size, places, strict=True)]
    # At most a side less one pixel: reflection can't pad by more.
    rim = [min(int(3 * step / 8), length - 1) for step, length in zip(steps, size, strict=True)]
    wide = pad(img, (rim[1], rim[1], rim[0], rim[0]), mode="reflect")
    total = torch.zeros_like(wide[:, 0])
    weights, tent = torch.zeros_like(wide[0, 0]), _tent(size).to(img)
    for top, left in _corners(rim):
        rows, columns = slice(top, top + size[0]), slice(left, left + size[1])
        for mirrored in ([], [2], [3], [2, 3]):
            small = heat(wide[..., rows, columns].flip(mirrored))[:, None]
            large = interpolate(small, size=size, mode="bilinear").flip(mirrored)
            total[:, rows, columns] += tent * large[:, 0]
            weights[rows, columns] += tent
    inner = slice(rim[0], rim[0] + size[0]), slice(rim[1], rim[1] + size[1])
    return (total / weights)[:, inner[0], inner[1]], places


def _corners(rim: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the top left corner of each shifted copy in the padded image."""
    for shifts in product(_SHIFTS, repeat=2):
        top, left = (
            width + round(shift * width / 3) for shift, width in zip(shifts, rim, strict=True)
        )
        yield top, left


def _tent(size: list[int]) -> Tensor:
    """Return weights [H, W], 1 in the middle, above 0 at the rim, so that none divides by 0."""
    down, across = (1 - ((2 * torch.arange(n) + 1) / n - 1).abs() + 1 / n for n in size)
    return down[:, None] * across
