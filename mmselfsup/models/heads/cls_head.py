"""The linear classifier."""

from collections.abc import Sequence
from typing import Any

from mmcv.runner import BaseModule
from torch import Tensor, nn

from ..builder import HEADS
from ..utils import accuracy, only_feature
from ..utils.init_cfg import LINEAR_INIT
from .class_losses import build_criterion, cosine_scale, scaled_cosines


@HEADS.register_module()
class ClsHead(BaseModule):
    """A linear layer and cross entropy, or another loss.

    Args:
        with_avg_pool: Average-pool feature maps first; False takes vectors.
        in_channels: Width of the features.
        num_classes: Number of classes.
        vit_backbone: The feature is a vision transformer's (patches, class token): take the token.
        init_cfg: How weights are initialised, in mmcv's format.
        class_weight: Weight of each class in the loss, for unbalanced data; None weighs all alike.
        label_smoothing: Share of the label spread over all classes, 0 to 1.
        loss: Another loss, such as ``dict(type='FocalLoss', weight='effective_number')``, see
            ``class_losses``; it takes the place of the last two.
    """

    def __init__(
        self,
        with_avg_pool: bool = False,
        in_channels: int = 2048,
        num_classes: int = 1000,
        vit_backbone: bool = False,
        init_cfg: dict | list[dict] | None = LINEAR_INIT,
        class_weight: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        loss: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.with_avg_pool, self.vit_backbone = with_avg_pool, vit_backbone
        self.in_channels, self.num_classes = in_channels, num_classes
        self.criterion = build_criterion(num_classes, class_weight, label_smoothing, loss)
        if with_avg_pool:
            self.avg_pool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc_cls = nn.Linear(in_channels, num_classes)
        self.cosine_scale = cosine_scale(self.criterion)
        self.fc_cls.bias.requires_grad_(self.cosine_scale is None)  # a cosine has none

    def forward(self, x: Sequence[Any]) -> list[Tensor]:
        """[[N, in_channels, H, W]] or [[N, in_channels]] -> logits [[N, num_classes]]."""
        return [self.scores(self.pooled(x))]

    def pooled(self, x: Sequence[Any]) -> Tensor:
        """The features of the backbone as one vector an image, [N, in_channels]."""
        h = only_feature(x, self)
        h = h[-1] if self.vit_backbone else h
        h = self.avg_pool(h) if self.with_avg_pool else h
        return h.flatten(1)

    def scores(self, h: Tensor) -> Tensor:
        """Vectors -> logits [N, num_classes]."""
        if self.cosine_scale is not None:
            return scaled_cosines(h, self.fc_cls.weight, self.cosine_scale)
        return self.fc_cls(h)

    def loss(self, cls_score: Sequence[Tensor], labels: Tensor) -> dict[str, Tensor]:
        """Logits [[N, num_classes]] and labels [N] (or [N, num_classes]) -> ``loss``, ``acc``."""
        score = only_feature(cls_score, self)
        return {"loss": self.criterion(score, labels), "acc": accuracy(score, labels)}
