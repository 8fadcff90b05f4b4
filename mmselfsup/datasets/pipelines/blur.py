"""Gaussian blur."""

from dataclasses import dataclass
from typing import Any, ClassVar

import cv2
import torch

from ...utils.errors import ArgumentError
from ..builder import PIPELINES
from .chance import check_probability, happens
from .pixels import on_pixels


@PIPELINES.register_module()
@dataclass
class GaussianBlur:
    """Blur an image with a Gaussian whose width is drawn from `sigma_min`..`sigma_max` pixels.

    Source: SimCLR (Chen et al. 2020), appendix A: sigma uniform in 0.1..2.0, p = 0.5.

    Differences from the paper: the kernel reaches three sigmas, whatever the image size. Pillow's
    filter, which MMSelfSup 0.x used, approximates a Gaussian by box filters; here it is one,
    rounded to whole grey levels once.

    Args:
        sigma_min: Smallest standard deviation.
        sigma_max: Largest standard deviation.
        p: Probability to blur at all.
    """

    sigma_min: float
    sigma_max: float
    p: float = 0.5

    takes_pixels: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_probability(self.p)
        if not 0 <= self.sigma_min <= self.sigma_max:
            raise ArgumentError(
                f"0 <= sigma_min <= sigma_max is needed, got {self.sigma_min} and {self.sigma_max}"
            )

    def draw(self) -> float:
        """Draw the standard deviation in pixels; 0 for no blur."""
        if not happens(self.p):
            return 0.0
        return self.sigma_min + (self.sigma_max - self.sigma_min) * torch.rand(()).item()

    def __call__(self, img: Any) -> Any:
        """Blur a PIL image or an array [H, W] or [H, W, C]."""
        sigma = self.draw()
        if sigma == 0:
            return img
        kernel = cv2.getGaussianKernel(round(6 * sigma + 1) | 1, sigma)
        # cv2.GaussianBlur has weights of 8 bits; this one reckons in float
        return on_pixels(
            lambda pixels: cv2.sepFilter2D(
                pixels, -1, kernel, kernel, borderType=cv2.BORDER_REPLICATE
            ),
            img,
        )
