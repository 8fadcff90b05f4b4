"""Solarization."""

from dataclasses import dataclass
from typing import Any, ClassVar

import cv2
import numpy as np

from ..builder import PIPELINES
from .chance import bernoulli, check_probability
from .pixels import on_pixels


@PIPELINES.register_module()
@dataclass
class Solarization:
    """A transform that inverts every value from ``threshold`` up.

    Source: BYOL (Grill et al. 2020), appendix B: v -> 255 - v where v >= 128.

    Args:
        threshold: First value that is inverted, 0..256.
        p: Probability of applying it.
    """

    threshold: int = 128
    p: float = 0.5

    takes_pixels: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_probability(self.p)

    def __call__(self, img: Any) -> Any:
        """Return a PIL image or an array solarized."""
        if not bernoulli(self.p):
            return img
        values = np.arange(256)
        table = np.where(values < self.threshold, values, 255 - values).astype(np.uint8)
        return on_pixels(lambda pixels: cv2.LUT(pixels, table), img)
