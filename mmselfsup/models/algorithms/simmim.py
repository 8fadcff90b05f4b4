"""SimMIM: Xie et al. 2022, "SimMIM: a Simple Framework for Masked Image Modeling", CVPR.

Letters: N images of this process, C channels, H, W size of an image, P pixels of an entry of the
mask.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..builder import ALGORITHMS, build_head, build_neck
from ..utils import image_and_mask
from ..utils.masking import Reconstruction
from .base import BaseModel, build_masking_backbone, require


@ALGORITHMS.register_module()
class SimMIM(BaseModel):
    """Prediction of the pixels of masked patches by one linear layer.

    Args:
        backbone: Config of the encoder, ``SimMIMSwinTransformer``.
        neck: Config of the decoder, ``SimMIMNeck``; required.
        head: Config of the loss, ``SimMIMHead``; required.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing, or the backbone can't hide patches.
    """

    title = "SimMIM"
    family = "masked modelling"
    neck_projects = False

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        head: dict,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        neck, head = require(self, neck=neck, head=head)
        self.backbone = build_masking_backbone(backbone, self, "SimMIMSwinTransformer")
        self.neck = build_neck(neck)
        self.head = build_head(head)

    def forward_train(self, x: Sequence[Tensor], **kwargs: Any) -> dict[str, Tensor]:  # type: ignore[override]
        """Return the loss of equation 1: the L1 distance at masked pixels.

        Args:
            x: Images [N, C, H, W], and masks [N, H / P, W / P] with 1 for masked patches, as
                ``SimMIMMaskGenerator`` makes them.
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, a float32 scalar, at least 0: the mean over the masked pixels of this process.

        Raises:
            ArgumentError: ``x`` doesn't hold images and masks.
        """
        img, mask = image_and_mask(x, self)
        predicted = self.neck(self.backbone(img, mask))  # [N, C, H, W]
        return self.head(img, predicted, mask)

    @torch.no_grad()
    def reconstruct(self, x: Sequence[Tensor]) -> Reconstruction:
        """Return images with masked patches, and what is predicted of them.

        Args:
            x: Images and masks as ``forward_train`` takes them.
        """
        img, mask = image_and_mask(x, self)
        hidden = self.head.pixels(mask).to(img.dtype)  # [N, 1, H, W]
        return Reconstruction(img * (1 - hidden), self.neck(self.backbone(img, mask)), hidden)
