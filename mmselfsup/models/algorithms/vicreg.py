"""VICReg: Bardes et al. 2022, "VICReg: Variance-Invariance-Covariance Regularization ...", ICLR.

Letters: N images of this process, C channels, D width of a projection.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ..builder import ALGORITHMS, build_backbone, build_head, build_neck
from ..utils import two_views
from .base import BaseModel, require


@ALGORITHMS.register_module()
class VICReg(BaseModel):
    """Invariance with two regularisers of each view: every component varies, none repeats another.

    No negatives, no target network, no stop-gradient, no normalisation of the projections.

    Args:
        backbone: Config of the encoder f; required.
        neck: Config of the expander h; required.
        head: Config of the loss, ``VICRegHead``; required.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The backbone, the neck or the head is missing.
    """

    title = "VICReg"

    def __init__(
        self,
        backbone: dict | None = None,
        neck: dict | None = None,
        head: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        backbone, neck, head = require(self, backbone=backbone, neck=neck, head=head)
        self.backbone = build_backbone(backbone)
        self.neck = build_neck(neck)
        self.head = build_head(head)

    def forward_train(self, img: Sequence[Tensor], **kwargs: Any) -> dict[str, Tensor]:
        """Return the loss of equation 6 over the images of all processes, algorithm 1.

        Args:
            img: The two views, each [N, C, H, W].
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, a float32 scalar, at least 0, equal on all processes, and its terms.

        Raises:
            ArgumentError: ``img`` doesn't hold two views, or the joined batch has one image only.
        """
        first, second = two_views(img, self)
        z_a = self.neck(self.extract_feat(first))[0]  # [N, D]
        z_b = self.neck(self.extract_feat(second))[0]  # [N, D]
        return self.head(z_a, z_b)
