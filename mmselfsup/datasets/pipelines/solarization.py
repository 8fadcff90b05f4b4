"""Solarization."""

from dataclasses import dataclass
from typing import Any, ClassVar

import cv2
import numpy as np

from ..builder import PIPELINES
from .chance import check_probability, happens
from .pixels import on_pixels


@PIPELINES.register_module()
@dataclass
class Solarization:
    """Turn every value from `threshold` up into its negative.

    Source: BYOL (Grill et al. 2020), appendix B: v -> 255 - v where v >= 128.

    Args:
        threshold: First value that is turned, 0..256.
        p: Probability to do it.
    """

    threshold: int = 128
    p: float = 0.5

    takes_pixels: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_probability(self.p)

    def __call__(self, img: Any) -> Any:
        """Solarize a PIL image or an array."""
        if not happens(self.p):
            return img
        values = np.arange(256)
        table = np.where(values < self.threshold, values, 255 - values).astype(np.uint8)
        return on_pixels(lambda pixels: cv2.LUT(pixels, table), img)
