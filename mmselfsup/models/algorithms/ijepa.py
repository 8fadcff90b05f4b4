"""I-JEPA: Assran et al. 2023, "Self-Supervised Learning from Images with a Joint-Embedding
Predictive Architecture", CVPR.

Letters: N images of this process, C channels, H, W size of an image, L patches, K context patches,
B target blocks of an image, M patches of a block, D width of a token.
"""

from typing import Any

import torch
from torch import Tensor, nn

from mmselfsup.utils.errors import ArgumentError

from ..backbones.ijepa_vit import IJEPAViT
from ..builder import ALGORITHMS, build_backbone, build_head, build_neck
from ..utils import only_feature, spatial_map
from ..utils.ema import without_drop_path
from ..utils.masking import patch_grid
from ..utils.multi_block_masks import MultiBlockMasks
from .base import BaseModel, build_masking_backbone, require


@ALGORITHMS.register_module()
class IJEPA(BaseModel):
    """Features of hidden blocks are predicted from the features of visible patches.

    No pixels are reconstructed, and no views are drawn by hand. The target encoder is a moving
    average of the context encoder, updated after each optimizer step: ``MomentumUpdateHook`` must
    be in ``custom_hooks``. It sees whole images, and is what is exported and monitored.

    Args:
        backbone: Config of the encoder, ``IJEPAViT``.
        neck: Config of the predictor, ``IJEPAPredictor``; required.
        head: Config of the loss, ``IJEPAHead``; required.
        base_momentum: Momentum of the target encoder in the first iteration, 0 to 1.
        masks: Arguments of ``MultiBlockMasks``.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing, or the backbone is no ``IJEPAViT``.
    """

    title = "I-JEPA"
    family = "masked modelling"
    needed_hooks = ("MomentumUpdateHook",)
    evaluates = "target"
    neck_projects = False

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        head: dict | None = None,
        base_momentum: float = 0.996,
        masks: dict[str, Any] | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        neck, head = require(self, neck=neck, head=head)
        self.backbone = build_masking_backbone(backbone, self, "IJEPAViT")
        if not isinstance(self.backbone, IJEPAViT):
            raise ArgumentError(
                f"IJEPA shows its encoder some patches only, and {backbone.get('type')} sees whole "
                "images: take backbone=dict(type='IJEPAViT')"
            )
        self.patch_size = self.backbone.patch_size
        self.momentum_backbone = build_backbone(backbone)
        self.neck = build_neck(neck)
        self.head = build_head(head)
        self.masks = MultiBlockMasks(**(masks or {}))
        self.base_momentum = self.momentum = base_momentum
        without_drop_path(self.momentum_backbone)
        self.start_targets()

    def momentum_pairs(self) -> list[tuple[nn.Module, nn.Module]]:
        """Return the context encoder and the target encoder, its moving average."""
        return [(self.backbone, self.momentum_backbone)]

    def forward_train(self, img: Tensor, **kwargs: Any) -> dict[str, Tensor]:
        """Return the loss of section 3.

        The masks are drawn from torch's generator of the CPU.

        Args:
            img: Images [N, C, H, W], H and W multiples of the patch.
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, a float32 scalar, at least 0: the mean over the images of this process.

        Raises:
            ArgumentError: See ``patch_grid`` and ``MultiBlockMasks``.
        """
        grid = patch_grid(img, self.patch_size)
        context, targets = (
            part.to(img.device, non_blocking=True) for part in self.masks.draw(len(img), grid)
        )
        (tokens,) = self.backbone(img, context)  # [N, K, D]
        pred = self.neck(tokens, context, targets, grid)  # [N, B, M, D]
        with torch.no_grad():
            feature = only_feature(self.momentum_backbone(img), self)
            whole = spatial_map(feature).flatten(2).transpose(1, 2)  # [N, L, D]
        return self.head(pred, whole, targets)
