"""SparK: Tian et al. 2023, "Designing BERT for Convolutional Networks: Sparse and Hierarchical
Masked Modeling", ICLR.

Letters: N images of this process, C channels, H, W size of an image, P side of a patch, h, w rows
and columns of patches, L of them.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

from ..builder import ALGORITHMS, build_backbone, build_head, build_neck
from ..utils.masking import Reconstruction, patch_grid, patchify, pixel_mask, random_mask
from ..utils.visible_places import VisiblePlaces, see_places
from .base import BaseModel, require


@ALGORITHMS.register_module()
class SparK(BaseModel):
    """Prediction of the pixels of hidden patches by a convolutional network.

    The encoder computes at visible places only, see ``see_places``; in an evaluation it is the
    ordinary network, with the same weights.

    Args:
        backbone: Config of the encoder, a convolutional network with batch normalisation;
            ``out_indices`` are the S scales that the decoder gets.
        neck: Config of the decoder, ``SparKDecoder``; required.
        head: Config of the loss, ``MAEPretrainHead``, whose ``patch_size`` P is the stride of the
            last map; required.
        mask_ratio: Part of the patches that is hidden, at least 0, less than 1.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing, ``mask_ratio`` is out of range, or the
            backbone can't leave out places.
    """

    title = "SparK"
    family = "masked modelling"
    neck_projects = False

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        head: dict | None = None,
        mask_ratio: float = 0.6,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if not 0 <= mask_ratio < 1:
            raise ArgumentError(f"mask_ratio must be at least 0 and less than 1, got {mask_ratio}")
        neck, head = require(self, neck=neck, head=head)
        self.backbone = build_backbone(backbone)
        self.neck = build_neck(neck)
        self.head = build_head(head)
        self.mask_ratio = mask_ratio
        self.visible = VisiblePlaces()
        see_places(self.backbone, self.visible)

    def extract_feat(self, img: Tensor) -> Sequence[Any]:
        """Return the last map of whole images [N, C, H, W], the only entry."""
        return self.backbone(img)[-1:]

    def draw_mask(self, num_images: int, num_patches: int, device: torch.device) -> Tensor:
        """Return a random mask [N, L] (float32), 1 for hidden patches; see ``random_mask``."""
        return random_mask(num_images, num_patches, self.mask_ratio, device)[1]

    def predict(self, img: Tensor) -> tuple[Tensor, Tensor]:
        """Hide patches of images [N, C, H, W] and predict all pixels.

        Returns:
            The predicted images [N, C, H, W], and the mask [N, L], 1 for hidden patches.
        """
        grid = patch_grid(img, self.head.patch_size)
        mask = self.draw_mask(len(img), grid[0] * grid[1], img.device)
        seen = (1 - mask).unflatten(1, (1, *grid))  # [N, 1, h, w]
        with self.visible.only(seen):
            features = self.backbone(img * self.visible.at(img))
        return self.neck(features, seen), mask

    def forward_train(self, img: Tensor, **kwargs: Any) -> dict[str, Tensor]:
        """Return the mean squared error of hidden patches (section 3.3).

        The mask is drawn from torch's generator.

        Args:
            img: Images [N, C, H, W], H and W multiples of P.
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, a float32 scalar, the mean over the hidden pixels of this process.

        Raises:
            ArgumentError: H or W is no multiple of P, or P is not the stride of the last map.
        """
        pred, mask = self.predict(img)
        return self.head(img, patchify(pred, self.head.patch_size), mask)

    def reconstruct(self, img: Tensor) -> Reconstruction:
        """Return images [N, C, H, W] with hidden patches, and what is predicted of them."""
        pred, mask = self.predict(img)
        size = self.head.patch_size
        hidden = pixel_mask(mask, size, patch_grid(img, size))  # [N, 1, H, W]
        pixels = self.head.to_pixels(patchify(pred, size), img)
        return Reconstruction(img * (1 - hidden), pixels, hidden)
