"""What DeepCluster and ODC share: a classifier whose classes are clusters of its own features.

Letters: N images, K clusters.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...utils.errors import ArgumentError
from ..builder import build_backbone, build_head, build_neck
from ..utils import Sobel
from ..utils.class_weights import balancing_weights, set_class_weights
from .base import BaseModel


class PseudoLabelModel(BaseModel):
    """Backbone, neck and a linear classifier of clusters.

    Args:
        backbone: The encoder; with Sobel edges it has ``in_channels=2``.
        with_sobel: Turn images into edges first.
        neck: What the clustering sees; None takes the features of the backbone as they are.
        head: The classifier, ``ClsHead``; it is required.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: Without a head.
    """

    def __init__(
        self,
        backbone: dict,
        with_sobel: bool,
        neck: dict | None,
        head: dict | None,
        init_cfg: dict | list[dict] | None,
    ) -> None:
        super().__init__(init_cfg)
        if head is None:
            raise ArgumentError(f"{type(self).__name__} needs a head, such as dict(type='ClsHead')")
        self.with_sobel = with_sobel
        if with_sobel:
            self.sobel_layer = Sobel()
        self.backbone = build_backbone(backbone)
        self.neck = None if neck is None else build_neck(neck)
        self.head = build_head(head)
        self.num_classes: int = self.head.num_classes

    def extract_feat(self, img: Tensor) -> Sequence[Tensor]:
        """Images [N, 3, H, W] -> features of the backbone."""
        return self.backbone(self.sobel_layer(img) if self.with_sobel else img)

    def project(self, img: Tensor) -> Sequence[Tensor]:
        """Images [N, 3, H, W] -> what the head classifies, one entry."""
        features = self.extract_feat(img)
        return features if self.neck is None else self.neck(features)

    def forward_test(self, img: Tensor, **kwargs: Any) -> dict[str, Tensor]:
        """Scores of the clusters, ``head0`` [N, K] (logits), on the CPU."""
        scores = self.head(self.project(img))
        return {f"head{i}": score.float().cpu() for i, score in enumerate(scores)}

    @property
    def loss_weight(self) -> Tensor:
        """Weight of each cluster in the loss, [K], with a sum of 1."""
        weight = self.head.criterion.weight
        if weight is None:
            weight = next(self.head.parameters()).new_ones(self.num_classes)
        return weight / weight.sum()

    def weigh_clusters(self, labels: Any, power: float) -> None:
        """Weigh clusters by their size to the power of ``-power``; labels [L], 0..K-1."""
        labels = torch.as_tensor(labels, dtype=torch.long)
        set_class_weights(self.head, balancing_weights(labels, self.num_classes, power))
