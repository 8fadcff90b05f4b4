"""SimSiam: Chen & He 2021, "Exploring Simple Siamese Representation Learning", CVPR.

Letters: N images of this process, C channels, D width of a projection.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from ..builder import ALGORITHMS, build_backbone, build_head, build_neck
from ..utils import two_views
from .base import BaseModel, require


@ALGORITHMS.register_module()
class SimSiam(BaseModel):
    """Self-distillation without a momentum encoder: each view predicts the other's projection.

    The predicted projection gets no gradient.

    Args:
        backbone: Config of the backbone of the encoder f.
        neck: Config of the projection of the encoder f; required.
        head: Config of the predictor h and the loss, ``LatentPredictHead``; required.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing.
    """

    title = "SimSiam"
    family = "self-distillation"

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        head: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        neck, head = require(self, neck=neck, head=head)
        self.encoder = nn.Sequential(build_backbone(backbone), build_neck(neck))
        self.backbone, self.neck = self.encoder
        self.head = build_head(head)

    def forward_train(self, img: Sequence[Tensor], **kwargs: Any) -> dict[str, Tensor]:
        """Return the symmetric loss of equations 3 and 4, algorithm 1.

        Args:
            img: The two views, each [N, C, H, W].
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss`` in -1..1, a float32 scalar: the mean over the N images of this process.

        Raises:
            ArgumentError: ``img`` doesn't hold two views.
        """
        first, second = two_views(img, self)
        z1 = self.encoder(first)[0]  # [N, D]
        z2 = self.encoder(second)[0]  # [N, D]
        target_1, target_2 = self.targets(z1, z2)
        loss_12 = self.head(z1, target_2)["loss"]
        loss_21 = self.head(z2, target_1)["loss"]
        return {"loss": (loss_12 + loss_21) / 2}

    def targets(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Return what is predicted, by default the projections [N, D] of both views."""
        return first, second
