"""Base classes of methods that compare the projections of views.

Letters: N images, C channels, D width of a projection.
"""

from typing import ClassVar

from torch import Tensor, nn

from ..builder import build_backbone, build_head, build_neck
from .base import BaseModel, require


class JointEmbedding(BaseModel):
    """One encoder and one projection for all views; a subclass has ``forward_train``.

    Args:
        backbone: Config of the encoder.
        neck: Config of the projection; required.
        head: Config of the loss; required.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        head: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        neck, head = require(self, neck=neck, head=head)
        self.backbone = build_backbone(backbone)
        self.neck = build_neck(neck)
        self.head = build_head(head)

    def project(self, img: Tensor) -> Tensor:
        """Return the projections [N, D] of images [N, C, H, W]."""
        return self.neck(self.extract_feat(img))[0]


class MomentumEmbedding(BaseModel):
    """A trained encoder with projection, and a moving average of both; the head has none.

    Args:
        backbone: Config of the encoder.
        neck: Config of the projection; required.
        head: Config of the loss; required.
        base_momentum: Momentum of the moving average in the first iteration, 0 to 1.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing.
    """

    needed_hooks: ClassVar[tuple[str, ...]] = ("MomentumUpdateHook",)

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
        """Return the trained encoder and its moving average."""
        return [(self.base_encoder, self.momentum_encoder)]
