"""Heads that compare a prediction from one view with the other view. N batch, D width."""

import torch
from mmcv.runner import BaseModule
from torch import Tensor, nn

from ..builder import HEADS, build_neck
from ..losses import negative_cosine
from .cross_correlation_head import LatentCrossCorrelationHead  # its module in 0.x is this one

__all__ = ["LatentClsHead", "LatentCrossCorrelationHead", "LatentPredictHead"]


@HEADS.register_module()
class LatentPredictHead(BaseModule):
    """A predictor, and minus the cosine between its output and the target (BYOL, SimSiam).

    Args:
        predictor: Config of a neck that takes and gives vectors.
    """

    def __init__(self, predictor: dict) -> None:
        super().__init__()
        self.predictor = build_neck(predictor)

    def forward(self, input: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Projections [N, D] of two views -> ``loss`` in -1..1; no gradient into the target."""
        prediction = self.predictor([input])[0]  # [N, D]
        return {"loss": negative_cosine(prediction, target.detach())}


@HEADS.register_module()
class LatentClsHead(BaseModule):
    """A classifier whose labels are its own decisions on the other view.

    Args:
        in_channels: D.
        num_classes: Number of classes.
        init_cfg: How weights are initialised, in mmcv's format.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        init_cfg: dict = {"type": "Normal", "std": 0.01, "layer": "Linear"},  # noqa: B006
    ) -> None:
        super().__init__(init_cfg)
        self.predictor = nn.Linear(in_channels, num_classes)
        self.criterion = nn.CrossEntropyLoss()

    def forward(self, input: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Projections [N, D] of two views -> ``loss``, at least 0; no gradient into the target."""
        scores = self.predictor(input)  # [N, num_classes]
        with torch.no_grad():
            labels = self.predictor(target).argmax(dim=1)  # [N]
        return {"loss": self.criterion(scores.float(), labels)}
