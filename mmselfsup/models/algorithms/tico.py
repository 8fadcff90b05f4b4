"""TiCo: Zhu et al. 2022, "TiCo: Transformation Invariance and Covariance Contrast ...".

Letters: N images of this process, C channels, D width of a projection.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..builder import ALGORITHMS, build_backbone, build_head, build_neck
from ..utils import two_views
from .base import BaseModel, require


@ALGORITHMS.register_module()
class TiCo(BaseModel):
    """Invariance to transformations with a contrast to the covariance of all earlier projections.

    The second view passes a momentum encoder, updated after each optimizer step:
    ``MomentumUpdateHook`` must be in ``custom_hooks``.

    Args:
        backbone: Config of the encoder.
        neck: Config of the projection; required.
        head: Config of the loss, ``TiCoHead``; required.
        base_momentum: Momentum of the momentum encoder in the first iteration, 0 to 1.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing.
    """

    title = "TiCo"

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        head: dict | None = None,
        base_momentum: float = 0.99,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        neck, head = require(self, neck=neck, head=head)
        self.base_encoder = nn.Sequential(build_backbone(backbone), build_neck(neck))
        self.momentum_encoder = nn.Sequential(build_backbone(backbone), build_neck(neck))
        self.backbone, self.neck = self.base_encoder
        self.head = build_head(head)
        self.base_momentum = base_momentum
        self.momentum = base_momentum
        self.start_targets()  # the two encoders were built with different random weights

    def momentum_pairs(self) -> list[tuple[nn.Module, nn.Module]]:
        """Return the trained encoder and the momentum encoder."""
        return [(self.base_encoder, self.momentum_encoder)]

    def forward_train(self, img: Sequence[Tensor], **kwargs: Any) -> dict[str, Tensor]:
        """Return the loss of equation 5, algorithm 1.

        Args:
            img: The two views, each [N, C, H, W].
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, a float32 scalar.

        Raises:
            ArgumentError: ``img`` doesn't hold two views.
        """
        first, second = two_views(img, self)
        z = self.base_encoder(first)[0]  # [N, D]
        with torch.no_grad():
            target = self.momentum_encoder(second)[0]  # [N, D]
        return self.head(z, target)
