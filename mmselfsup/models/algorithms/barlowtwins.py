"""Barlow Twins: Zbontar et al. 2021, "Self-Supervised Learning via Redundancy Reduction", ICML.

Letters: N images of this process, C channels, D width of a projection.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ..builder import ALGORITHMS, build_backbone, build_head, build_neck
from ..utils import two_views
from .base import BaseModel, require


@ALGORITHMS.register_module()
class BarlowTwins(BaseModel):
    """Redundancy reduction: the cross-correlation of two views' projections becomes the identity.

    No negatives, no target network, no stop-gradient (section 2): entries on the diagonal make the
    projection invariant to the augmentation, entries off the diagonal make its components
    independent of each other.

    Args:
        backbone: Config of the encoder; required.
        neck: Config of the projector; required.
        head: Config of the loss, ``LatentCrossCorrelationHead``; its ``in_channels`` is the
            projector's ``out_channels``; required.
        init_cfg: See ``BaseModel``.
        **kwargs: Ignored, as in 0.x.

    Raises:
        ArgumentError: The backbone, the neck or the head is missing.
    """

    title = "Barlow Twins"
    family = "redundancy reduction"

    def __init__(
        self,
        backbone: dict | None = None,
        neck: dict | None = None,
        head: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(init_cfg)
        backbone, neck, head = require(self, backbone=backbone, neck=neck, head=head)
        self.backbone = build_backbone(backbone)
        self.neck = build_neck(neck)
        self.head = build_head(head)

    def forward_train(self, img: Sequence[Tensor], **kwargs: Any) -> dict[str, Tensor]:
        """Return the loss of equation 1 over the images of all processes, algorithm 1.

        Args:
            img: The two views, each [N, C, H, W].
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, a float32 scalar, at least 0, equal on all processes. It is a sum over the
            D x D entries of the matrix and therefore grows with D.

        Raises:
            ArgumentError: ``img`` doesn't hold two views.
            ValueError: The joined batch has one image only, which has no deviation to divide by
                (raised by the batch normalisation; a training says so before it starts).
        """
        first, second = two_views(img, self)
        # One view after the other, so that each is normalised by its own batch statistics.
        z_a = self.neck(self.extract_feat(first))[0]  # [N, D]
        z_b = self.neck(self.extract_feat(second))[0]  # [N, D]
        return self.head(z_a, z_b)  # equations 1 and 2
