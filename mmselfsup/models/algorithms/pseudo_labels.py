"""The base class of DeepCluster and ODC: a classifier of clusters of its own features.

Letters: N images, L images of the data set, K clusters, H, W size of an image.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

from ..builder import build_backbone, build_head, build_neck
from ..losses.classification import balancing_weights, set_class_weights
from ..utils import Sobel
from .base import NECK_OUTSIDE, BaseModel


class PseudoLabelModel(BaseModel):
    """A backbone, a neck and a linear classifier of clusters.

    Args:
        backbone: Config of the encoder; with Sobel edges it needs ``in_channels=2``.
        with_sobel: Replace images by their Sobel edges.
        neck: Config of the neck, whose output is clustered; None uses the features of the backbone.
        head: Config of the classifier, ``ClsHead``; required.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The head is missing.
    """

    not_sharded = NECK_OUTSIDE

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
        """Return the features of images [N, 3, H, W], one entry for each stage of the backbone."""
        return self.backbone(self.sobel_layer(img) if self.with_sobel else img)

    def project(self, img: Tensor) -> Sequence[Tensor]:
        """Return the input of the head for images [N, 3, H, W], one entry."""
        features = self.extract_feat(img)
        return features if self.neck is None else self.neck(features)

    def forward_test(self, img: Tensor, **kwargs: Any) -> dict[str, Tensor]:
        """Return the scores of the clusters, ``head0`` [N, K] (logits), float32 on the CPU."""
        scores = self.head(self.project(img))
        return {f"head{i}": score.float().cpu() for i, score in enumerate(scores)}

    @property
    def loss_weight(self) -> Tensor:
        """Return the weight of each cluster in the loss, [K], with a sum of 1."""
        weight = self.head.criterion.weight
        if weight is None:  # not re-weighted yet
            weight = next(self.head.parameters()).new_ones(self.num_classes)
        return weight / weight.sum()

    def weigh_clusters(self, labels: Any, power: float) -> None:
        """Set the weight of each cluster in the loss to its size to the power of ``-power``.

        Args:
            labels: Cluster of each image of the data set, [L], 0..K-1.
            power: At least 0; 0 gives all clusters the same weight.

        Raises:
            ArgumentError: See ``set_class_weights``.
        """
        labels = torch.as_tensor(labels, dtype=torch.long)
        set_class_weights(self.head, balancing_weights(labels, self.num_classes, power))
