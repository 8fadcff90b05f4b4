"""Heat maps finer than the last stage of a network. Letters: N images, H, W pixels, h, w places.

A network for 64 pixels ends with 2 x 2 places, and which pixels a place stands for depends on how
its layers pad and stride. So the map is taken of copies of the image, shifted by parts of a place
and mirrored, and averaged where it belongs: what stays is the image's own. The rim of a copy counts
least, so that no seam is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

_SHIFTS = (-3, -1, 1, 3)  # eighths of a place


def fine_maps(heat: Callable[[Tensor], Tensor], img: Tensor) -> tuple[Tensor, list[int]]:
    """The mean map over 16 shifts and 4 mirrorings.

    Args:
        heat: Gives maps [N, h, w] for images.
        img: [N, 3, H, W].

    Returns:
        Maps [N, H, W], and [h, w].
    """
    places = list(heat(img).shape[1:])
    size = list(img.shape[2:])
    steps = [length / number for length, number in zip(size, places, strict=True)]
    rim = [min(int(3 * step / 8), length - 1) for step, length in zip(steps, size, strict=True)]
    wide = pad(img, (rim[1], rim[1], rim[0], rim[0]), mode="reflect")
    total = torch.zeros_like(wide[:, 0])
    share, weight = torch.zeros_like(wide[0, 0]), _tent(size).to(img)
    for top, left in _corners(rim):
        rows, columns = slice(top, top + size[0]), slice(left, left + size[1])
        for mirrored in ([], [2], [3], [2, 3]):
            found = heat(wide[..., rows, columns].flip(mirrored))[:, None]
            large = interpolate(found, size=size, mode="bilinear").flip(mirrored)
            total[:, rows, columns] += weight * large[:, 0]
            share[rows, columns] += weight
    inner = slice(rim[0], rim[0] + size[0]), slice(rim[1], rim[1] + size[1])
    return (total / share)[:, inner[0], inner[1]], places


def _corners(rim: list[int]) -> Iterator[tuple[int, int]]:
    """Where each shifted copy begins in the padded image."""
    for shifts in product(_SHIFTS, repeat=2):
        top, left = (
            width + round(shift * width / 3) for shift, width in zip(shifts, rim, strict=True)
        )
        yield top, left


def _tent(size: list[int]) -> Tensor:
    """Weights [H, W], 1 in the middle, near 0 at the rim."""
    down, across = (1 - ((2 * torch.arange(n) + 1) / n - 1).abs() + 1 / n for n in size)
    return down[:, None] * across
