"""Solarization."""

from dataclasses import dataclass

from PIL import Image, ImageOps

from ..builder import PIPELINES
from .chance import check_probability, happens


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

    def __post_init__(self) -> None:
        check_probability(self.p)

    def __call__(self, img: Image.Image) -> Image.Image:
        return ImageOps.solarize(img, self.threshold) if happens(self.p) else img
