"""The comparison of an exported file with the model, on real images.

Letters: N images, C channels, H, W their size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from .format import Run
from .network import ImageNetwork, outputs_of

#: The largest difference of an output, for outputs up to 1; larger ones allow more in proportion.
TOLERANCE = 1e-4
_FURTHER = (32, 64)  # pixels by which the second size is larger


@dataclass(frozen=True)
class Checked:
    """The result of a comparison.

    Attributes:
        difference: The largest difference, divided by the largest output where that is above 1.
        sizes: Heights and widths that were compared.
        images: Number of images of each size.
    """

    difference: float
    sizes: list[list[int]]
    images: int

    @property
    def passed(self) -> bool:
        """Return whether the file computes the same as the model."""
        return self.difference <= TOLERANCE  # False for nan

    def values(self) -> dict[str, Any]:
        """Return the result as values that JSON can hold."""
        return {
            "passed": self.passed,
            "largest_difference": self.difference,
            "tolerance": TOLERANCE,
            "sizes": self.sizes,
            "images": self.images,
        }

    def __str__(self) -> str:
        sizes = " and ".join(f"{height} x {width}" for height, width in self.sizes)
        verdict = "" if self.passed else " FAILED:"
        return (
            f"Compared with the model on {self.images} images at {sizes} pixels, all at once and "
            f"one alone:{verdict} largest difference {self.difference:.1e}, allowed {TOLERANCE:g}."
        )


def sizes_of(network: ImageNetwork, images: Tensor) -> list[Tensor]:
    """Return images [N, C, H, W] at one size, or at two if the network takes any."""
    if not network.takes_any_size:
        return [images]
    height, width = images.shape[-2:]
    larger = (height + _FURTHER[0], width + _FURTHER[1])
    return [images, F.interpolate(images, larger, mode="bilinear", antialias=True)]


def compare(network: ImageNetwork, run: Run, images: Sequence[Tensor]) -> Checked:
    """Compare what a file computes with what the model does.

    Args:
        network: The model.
        run: What was read from the file.
        images: Images [N, C, H, W], an entry for each size.
    """
    difference = 0.0
    for batch in images:
        for part in (batch, batch[:1]):
            wanted, found = outputs_of(network, part), outputs_of(run, part)
            if wanted.shape != found.shape:
                difference = float("inf")
                continue
            scale = max(1.0, float(wanted.abs().max()))
            largest = float((wanted - found).abs().max()) / scale
            difference = largest if not largest <= difference else difference  # nan stays
    sizes = [list(batch.shape[-2:]) for batch in images]
    return Checked(difference, sizes, len(images[0]))
