"""The linear classifier. Letters: N batch, H, W size of a feature map."""

from collections.abc import Sequence
from typing import Any

from mmcv.runner import BaseModule
from torch import Tensor, nn

from ..builder import HEADS, LINEAR_INIT
from ..losses.class_balanced import build_criterion, cosine_scale, scaled_cosines
from ..utils import accuracy, only_feature, whole_image


@HEADS.register_module()
class ClsHead(BaseModule):
    """A linear layer with cross entropy or another loss.

    Args:
        with_avg_pool: Average-pool feature maps first; False takes vectors or flattens maps.
        in_channels: Width of the features.
        num_classes: Number of classes.
        vit_backbone: An option of 0.x without effect: the class token of a vision transformer is
            used in any case.
        init_cfg: How weights are initialised, in mmcv's format.
        class_weight: Weight of each class in the loss, for unbalanced data; None for equal weights.
        label_smoothing: Part of each label that is spread over all classes, 0 to 1.
        loss: Config of another loss, such as ``dict(type='FocalLoss', weight='effective_number')``;
            it replaces ``class_weight`` and ``label_smoothing``.

    Raises:
        ArgumentError: See ``build_criterion``.
    """

    #: Layers with a row of weights for each class.
    class_layers = ("fc_cls",)

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
        # A cosine classifier doesn't use the bias, and DistributedDataParallel fails on trainable
        # parameters that get no gradient.
        self.fc_cls.bias.requires_grad_(self.cosine_scale is None)

    def forward(self, x: Sequence[Any]) -> list[Tensor]:
        """Return the logits [[N, num_classes]].

        Args:
            x: Features of one stage, in any form of ``models/utils/views.py``.

        Raises:
            ArgumentError: The backbone gave more than one entry.
        """
        return [self.scores(self.pooled(x))]

    def pooled(self, x: Sequence[Any]) -> Tensor:
        """Return the features of the backbone as one vector per image, [N, in_channels]."""
        h = whole_image(x, self)
        h = self.avg_pool(h) if self.with_avg_pool and h.ndim == 4 else h
        return h.flatten(1)

    def scores(self, h: Tensor) -> Tensor:
        """Return the logits [N, num_classes] of vectors [N, in_channels]."""
        if self.cosine_scale is not None:
            return scaled_cosines(h, self.fc_cls.weight, self.cosine_scale)
        return self.fc_cls(h)

    def loss(self, cls_score: Sequence[Tensor], labels: Tensor) -> dict[str, Tensor]:
        """Return the loss and the accuracy of one batch.

        Args:
            cls_score: Logits [[N, num_classes]], from ``forward``.
            labels: Class numbers [N] (int64), or class distributions [N, num_classes] (mixup).

        Returns:
            ``loss``, a scalar, and ``acc``, the top-1 accuracy in percent, [1].
        """
        score = only_feature(cls_score, self)
        return {"loss": self.criterion(score, labels), "acc": accuracy(score, labels)}
