"""Noise along the principal colours of natural images."""

from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import functional as F

from mmselfsup.utils.errors import ArgumentError

from ..builder import PIPELINES

# Principal components of the RGB values of ImageNet, for values in 0..1 (AlexNet, section 4.1).
_EIGENVALUES = torch.tensor([0.2175, 0.0188, 0.0045])  # [3]
_EIGENVECTORS = torch.tensor(  # [3 channels, 3 components]
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
)


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

    def __call__(self, img: Tensor | Image.Image) -> Tensor | Image.Image:
        """Return a tensor [3, H, W] in 0..1 (values may leave that range) or a PIL image changed.

        Raises:
            ArgumentError: It is anything else.
        """
        if self.alphastd == 0:
            return img
        alpha = torch.randn(3) * self.alphastd
        step = _EIGENVECTORS @ (alpha * _EIGENVALUES)  # [3]
        if isinstance(img, Image.Image):
            lit = F.to_tensor(img) + step[:, None, None]
            return F.to_pil_image(lit.clamp_(0, 1).mul_(255).round_().byte())
        if not isinstance(img, Tensor):
            raise ArgumentError(f"Lighting takes a tensor or a PIL image, got {type(img).__name__}")
        return img + step.to(img)[:, None, None]
