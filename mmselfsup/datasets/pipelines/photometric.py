"""Colour jitter, grey, Gaussian blur, solarization and AlexNet's colour noise, in 8 bits.

The arithmetic of colours is Pillow's: values are rounded down to integers. Brightness, contrast,
saturation and grey differ from it by one level at most, on few values. The hue is turned in
OpenCV's HSV, which is finer than Pillow's.

Letters: H, W size of the image, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import cv2
import numpy as np
import torch
import torchvision.transforms as T
from PIL import Image
from torch import Tensor
from torchvision.transforms import functional as F

from mmselfsup.utils.errors import ArgumentError

from ..registry import PIPELINES
from .compose import bernoulli, check_probability
from .encoded import Pixels
from .formatting import OnPixels, colours, on_pixels

_CUT = -0.499  # added before OpenCV rounds to nearest: rounds down, and keeps integers
# Principal components of the RGB values of ImageNet, for values in 0..1 (AlexNet, section 4.1).
_EIGENVALUES = torch.tensor([0.2175, 0.0188, 0.0045])  # [3]
_EIGENVECTORS = torch.tensor(  # [3 channels, 3 components]
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
)


def grey(pixels: Pixels) -> Pixels:
    """Return the luma (ITU-R 601) [H, W] of an image [H, W, 3] or [H, W]."""
    return pixels if pixels.ndim == 2 else _array(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))


def blend_with(pixels: Pixels, value: float, factor: float) -> Pixels:
    """Return ``value + factor * (v - value)`` clipped to 0..255, for every value v."""
    return _array(cv2.addWeighted(pixels, factor, pixels, 0, (1 - factor) * value + _CUT))


def brighten(pixels: Pixels, factor: float) -> Pixels:
    """Return the image with all values multiplied: 0 is black, 1 is the identity."""
    return blend_with(pixels, 0, factor)


def stretch_contrast(pixels: Pixels, factor: float) -> Pixels:
    """Return all values scaled around the mean of the grey image: 0 is flat, 1 the identity."""
    mean = int(cv2.mean(grey(pixels))[0] + 0.5)
    return blend_with(pixels, mean, factor)


def saturate(pixels: Pixels, factor: float) -> Pixels:
    """Return every pixel scaled around its grey value: 0 is grey, 1 the identity."""
    if pixels.ndim == 2:
        return pixels
    flat = cv2.cvtColor(grey(pixels), cv2.COLOR_GRAY2RGB)
    return _array(cv2.addWeighted(pixels, factor, flat, 1 - factor, _CUT))


def turn_hue(pixels: Pixels, factor: float) -> Pixels:
    """Return the image with its hue turned by ``factor`` of the circle, -0.5..0.5."""
    if pixels.ndim == 2:
        return pixels
    hsv = _array(cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV_FULL))  # [H, W, 3], the circle is 0..255
    turn = np.zeros_like(hsv[0])  # [W, 3]: adding whole rows is faster than every third value
    turn[:, 0] = round(factor * 256) % 256
    hsv += turn  # wraps at 256, as the circle does
    return _array(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL))


_STEPS = (brighten, stretch_contrast, saturate, turn_hue)  # in torchvision's numbering


@PIPELINES.register_module()
class ColorJitter(OnPixels, T.ColorJitter):  # type: ignore[misc]
    """As in torchvision: four colour changes in random order, with uniform random strengths."""

    weighs_colours = True

    def change(self, pixels: Pixels) -> Pixels:
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        for index in order.tolist():
            factor = factors[index]
            if factor is not None:
                pixels = _STEPS[index](pixels, factor)
        return pixels


@PIPELINES.register_module()
class RandomGrayscale(OnPixels, T.RandomGrayscale):  # type: ignore[misc]
    """As in torchvision: the luma in all three channels, with probability ``p``."""

    weighs_colours = True

    def change(self, pixels: Pixels) -> Pixels:
        if not bernoulli(self.p) or pixels.ndim == 2:
            return pixels
        return _array(cv2.cvtColor(grey(pixels), cv2.COLOR_GRAY2RGB))


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
        """Return a PIL image or an array solarized; transparency stays."""
        return on_pixels(self._invert, img) if bernoulli(self.p) else img

    def _invert(self, pixels: Pixels) -> Pixels:
        values = np.arange(256)
        table = np.where(values < self.threshold, values, 255 - values).astype(np.uint8)
        inverted = _array(cv2.LUT(pixels, table))
        if pixels.shape[2:] in ((2,), (4,)):
            inverted[..., -1] = pixels[..., -1]
        return inverted


@PIPELINES.register_module()
@dataclass
class Lighting:
    """A transform that adds the same random step along the principal colours to every pixel.

    Source: AlexNet (Krizhevsky et al. 2012), section 4.1: sum over k of alpha_k lambda_k v_k with
    alpha_k from a normal distribution.

    Args:
        alphastd: Standard deviation of alpha; 0 turns it off.
    """

    alphastd: float = 0.1

    weighs_colours: ClassVar[bool] = True

    def __call__(self, img: Tensor | Image.Image) -> Tensor | Image.Image:
        """Return a tensor [3, H, W] in 0..1 (values may leave that range) or a PIL image changed.

        Raises:
            ArgumentError: It is anything else.
            UserError: It has numbers of a palette.
        """
        if self.alphastd == 0:
            return img
        alpha = torch.randn(3) * self.alphastd
        step = _EIGENVECTORS @ (alpha * _EIGENVALUES)  # [3]
        if isinstance(img, Image.Image):
            lit = F.to_tensor(colours(img)) + step[:, None, None]
            return F.to_pil_image(lit.clamp_(0, 1).mul_(255).round_().byte())
        if not isinstance(img, Tensor):
            raise ArgumentError(f"Lighting takes a tensor or a PIL image, got {type(img).__name__}")
        return img + step.to(img)[:, None, None]


def _array(pixels: Any) -> Pixels:
    """Return a result of OpenCV under its type."""
    return pixels  # type: ignore[no-any-return]
