"""Gaussian blur."""

from dataclasses import dataclass
from typing import Any, ClassVar

import cv2
import torch

from mmselfsup.utils.errors import ArgumentError

from ..builder import PIPELINES
from .chance import bernoulli, check_probability
from .pixels import on_pixels


@PIPELINES.register_module()
@dataclass
class GaussianBlur:
    """Gaussian blur with a standard deviation drawn from ``sigma_min``..``sigma_max`` pixels.

    Source: SimCLR (Chen et al. 2020), appendix A: sigma uniform in 0.1..2.0, p = 0.5.

    Differences from the paper: the kernel reaches three sigmas, whatever the image size. Difference
    from MMSelfSup 0.x: Pillow's filter approximates a Gaussian by box filters; this one is exact
    but for one rounding to integers.

    Args:
        sigma_min: Smallest standard deviation.
        sigma_max: Largest standard deviation.
        p: Probability of a blur.
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

    def sample_sigma(self) -> float:
        """Return a sampled standard deviation in pixels; 0 for no blur."""
        if not bernoulli(self.p):
            return 0.0
        return self.sigma_min + (self.sigma_max - self.sigma_min) * torch.rand(()).item()

    def __call__(self, img: Any) -> Any:
        """Return a PIL image or an array [H, W] or [H, W, C] blurred."""
        sigma = self.sample_sigma()
        if sigma == 0:
            return img
        kernel = cv2.getGaussianKernel(round(6 * sigma + 1) | 1, sigma)  # | 1: an odd size
        # cv2.GaussianBlur has weights of 8 bits; sepFilter2D computes in float
        return on_pixels(
            lambda pixels: cv2.sepFilter2D(
                pixels, -1, kernel, kernel, borderType=cv2.BORDER_REPLICATE
            ),
            img,
        )
