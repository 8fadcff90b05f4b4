"""Heads that compare a prediction from one view with the other view.

Letters: N images of this process, D width of a projection, K classes.
"""

import torch
from mmcv.runner import BaseModule
from torch import Tensor, nn

from ..builder import HEADS, build_neck
from ..losses import negative_cosine
from .cross_correlation_head import LatentCrossCorrelationHead  # 0.x's code imports it from here

__all__ = ["LatentClsHead", "LatentCrossCorrelationHead", "LatentPredictHead"]


@HEADS.register_module()
class LatentPredictHead(BaseModule):
    """A predictor, and the negative cosine between its output and the target (BYOL, SimSiam).

    Grill et al. 2020 (BYOL), equation 2, up to a constant; Chen & He 2021 (SimSiam), equation 1.

    Args:
        predictor: Config of a neck that maps vectors [[N, D]] to vectors [[N, D]].
    """

    def __init__(self, predictor: dict) -> None:
        super().__init__()
        self.predictor = build_neck(predictor)

    def forward(self, input: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return ``loss`` in -1..1, a float32 scalar: the mean over the N images.

        Args:
            input: Projections [N, D] of the online network.
            target: Projections [N, D] of the other view; they get no gradient.
        """
        prediction = self.predictor([input])[0]  # [N, D]
        return {"loss": negative_cosine(prediction, target.detach())}


@HEADS.register_module()
class LatentClsHead(BaseModule):
    """A classifier whose labels are its own predictions on the other view.

    Args:
        in_channels: D.
        num_classes: K.
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
        """Return ``loss``, a float32 scalar, at least 0: the mean over the N images.

        Args:
            input: Projections [N, D] of one view.
            target: Projections [N, D] of the other view; they get no gradient.
        """
        scores = self.predictor(input)  # [N, K]
        with torch.no_grad():
            labels = self.predictor(target).argmax(dim=1)  # [N]
        # float32 here, because this head's forward pass is not under ``full_precision``.
        return {"loss": self.criterion(scores.float(), labels)}
