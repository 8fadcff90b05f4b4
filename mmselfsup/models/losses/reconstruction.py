"""Losses of methods that predict the hidden part of an image.

Letters: N images, L patches, D numbers of a patch.
"""

import torch.nn.functional as F
from torch import Tensor

from ..utils.precision import full_precision

#: Added to the variance of a patch before the root.
EPSILON = 1e-6


def patch_statistics(patches: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each patch, both [N, L, 1].

    The variance is the unbiased one, as in the authors' code; 1e-6 is added to it.

    Args:
        patches: Pixels of patches [N, L, D], D at least 2.
    """
    mean = patches.mean(dim=2, keepdim=True)
    return mean, (patches.var(dim=2, keepdim=True) + EPSILON).sqrt()


@full_precision
def masked_patch_error(pred: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Return the mean squared error of masked patches (He et al. 2022, section 3).

    Args:
        pred: Predicted pixels [N, L, D].
        target: True pixels [N, L, D].
        mask: 1 for masked patches, 0 for visible ones, [N, L].

    Returns:
        A float32 scalar (float64 for float64), at least 0: the mean over the pixels of all masked
        patches of this process; 0 without any.
    """
    error = (pred - target).square().mean(dim=2)  # [N, L]
    return (error * mask).sum() / mask.sum().clamp(min=1)


@full_precision
def masked_pixel_distance(pred: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Return the absolute error of masked pixels (Xie et al. 2022, equation 1).

    Letters: H, W size of an image, C channels.

    Args:
        pred: Predicted images [N, C, H, W].
        target: True images [N, C, H, W].
        mask: 1 for masked pixels, 0 for visible ones, [N, 1, H, W].

    Returns:
        A float32 scalar (float64 for float64), at least 0: the mean over the channels of all masked
        pixels of this process; 0 without any.
    """
    distance = (pred - target).abs().mean(dim=1, keepdim=True)  # [N, 1, H, W]
    return (distance * mask).sum() / mask.sum().clamp(min=1)


@full_precision
def latent_error(pred: Tensor, target: Tensor, kind: str = "smooth_l1") -> Tensor:
    """Return the error of predicted features of hidden patches (Assran et al. 2023, section 3).

    Args:
        pred: Predicted features, of any shape.
        target: True features of the same shape.
        kind: ``'l2'`` for the squared difference d^2; ``'smooth_l1'`` for d^2 / 2 where it is below
            1, and ``|d| - 1/2`` elsewhere.

    Returns:
        A float32 scalar (float64 for float64), at least 0: the mean over all numbers.
    """
    return (F.mse_loss if kind == "l2" else F.smooth_l1_loss)(pred, target)
