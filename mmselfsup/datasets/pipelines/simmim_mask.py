"""Masks of single random patches, for SimMIM."""

import math
from typing import Any

import torch
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

from ..builder import PIPELINES
from .chance import check_probability


@PIPELINES.register_module()
class SimMIMMaskGenerator:
    """A transform that adds a random mask to the image.

    Source: SimMIM (Xie et al. 2022), section 3.2: a fraction of the patches of ``mask_patch_size``
    pixels, drawn without replacement.

    Args:
        input_size: Side of the image.
        mask_patch_size: Side of a masked patch.
        model_patch_size: Side of a patch of the model; the mask has this resolution.
        mask_ratio: Fraction of the patches that is masked; their number is rounded up.
    """

    def __init__(
        self,
        input_size: int = 192,
        mask_patch_size: int = 32,
        model_patch_size: int = 4,
        mask_ratio: float = 0.6,
    ) -> None:
        check_probability(mask_ratio, "mask_ratio")
        if input_size % mask_patch_size or mask_patch_size % model_patch_size:
            raise ArgumentError(
                f"input_size {input_size} must be a multiple of mask_patch_size {mask_patch_size}, "
                f"and that one of model_patch_size {model_patch_size}"
            )
        self.input_size = input_size
        self.mask_patch_size = mask_patch_size
        self.model_patch_size = model_patch_size
        self.mask_ratio = mask_ratio
        self.rand_size = input_size // mask_patch_size  # patches on a side
        self.scale = mask_patch_size // model_patch_size
        self.token_count = self.rand_size**2
        self.mask_count = math.ceil(self.token_count * mask_ratio)

    def __call__(self, img: Any) -> tuple[Any, Tensor]:
        """Return the image and its mask [S, S], int64, S = input_size / model_patch_size."""
        mask = torch.zeros(self.token_count, dtype=torch.int64)
        mask[torch.randperm(self.token_count)[: self.mask_count]] = 1
        mask = mask.view(self.rand_size, self.rand_size)
        mask = mask.repeat_interleave(self.scale, 0).repeat_interleave(self.scale, 1)  # [S, S]
        return img, mask

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(input_size={self.input_size}, "
            f"mask_patch_size={self.mask_patch_size}, model_patch_size={self.model_patch_size}, "
            f"mask_ratio={self.mask_ratio})"
        )
