"""MSN: Assran et al. 2022, "Masked Siamese Networks for Label-Efficient Learning", ECCV.

Letters: N images of this process, V views of an image, C channels, D width of a projection.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

from ..backbones.msn_vit import MSNViT
from ..builder import ALGORITHMS
from ..utils import forward_by_size, several_views
from ..utils.ema import without_drop_path
from .joint_embedding import MomentumEmbedding


@ALGORITHMS.register_module()
class MSN(MomentumEmbedding):
    """Views with missing patches predict the prototypes that a teacher finds in a whole view.

    Masked patches are left out of the student, which saves their time, and are not reconstructed.
    The teacher is a moving average of the student, updated after each optimizer step:
    ``MomentumUpdateHook`` must be in ``custom_hooks``. It is what is exported and monitored.

    Args:
        backbone: Config of the encoder, ``MSNViT``.
        neck: Config of the projection; required.
        head: Config of prototypes and loss, ``MSNHead``; required.
        base_momentum: Momentum of the teacher in the first iteration, 0 to 1.
        mask_ratio: Part of the patches that the student doesn't see, at least 0, less than 1; the
            paper has 0.15 for ViT-S/16 and more for larger networks with smaller patches.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing, ``mask_ratio`` is out of range, or the
            backbone cannot leave out patches.
    """

    title = "MSN"
    family = "self-distillation"
    evaluates = "target"

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        head: dict | None = None,
        base_momentum: float = 0.996,
        mask_ratio: float = 0.15,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        if not 0 <= mask_ratio < 1:
            raise ArgumentError(f"mask_ratio must be at least 0 and less than 1, got {mask_ratio}")
        super().__init__(backbone, neck, head, base_momentum, init_cfg)
        if mask_ratio and not isinstance(self.backbone, MSNViT):
            raise ArgumentError(
                f"{type(self).__name__} leaves out patches, and {backbone.get('type')} sees whole "
                "images: take backbone=dict(type='MSNViT'), or mask_ratio=0"
            )
        without_drop_path(self.momentum_encoder)
        self.mask_ratio = mask_ratio

    def forward_train(self, img: Sequence[Tensor], **kwargs: Any) -> dict[str, Tensor]:
        """Return the losses of section 3.

        Args:
            img: V >= 2 views, each [N, C, H, W]: the first is the teacher's, the others are the
                student's, and may be smaller.
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss_prediction`` and ``loss_prior``, float32 scalars, at least 0.

        Raises:
            ArgumentError: There are fewer than two views.
        """
        views = several_views(img, self, "num_views=[2, 6]")
        parts = forward_by_size(self._masked, views[1:])  # for each size [views * N, D]
        anchors = torch.cat(parts).unflatten(0, (len(views) - 1, -1))  # [V - 1, N, D]
        with torch.no_grad():
            target = self.momentum_encoder(views[0])[0]  # [N, D]
        return self.head(anchors, target)

    def _masked(self, images: Tensor) -> Tensor:
        """Return the student's projections [M, D] of images [M, C, H, W], with patches missing."""
        if not self.mask_ratio:
            return self.base_encoder(images)[0]
        return self.neck(self.backbone(images, self.mask_ratio))[0]
