"""The memory of InterCLR: Xie et al. 2022, "Delving into Inter-Image Invariance ...", IJCV.

It is the memory of ODC (features, labels, centroids), used as a source of pairs of images instead
of as a source of classes. Letters: L images, N images of this process, K clusters, D width.
"""

from typing import Any

import torch
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

from ..builder import MEMORIES
from .odc_memory import ODCMemory


@MEMORIES.register_module()
class InterCLRMemory(ODCMemory):
    """Features, cluster labels and centroids of all images.

    Args:
        length: L, the number of training images; None takes it from the data.
        feat_dim: D.
        momentum: Coefficient of the new feature in an update, 0 to 1.
        num_classes: K.
        min_cluster: Number of samples below which a cluster is small.
        **kwargs: ``debug`` as in ``ODCMemory``; others are ignored, as in 0.x.

    Raises:
        ArgumentError: See ``FeatureBank``.

    Difference from 0.x: all memories are buffers, so that they are in the checkpoint.
    """

    def __init__(
        self,
        length: int | None,
        feat_dim: int,
        momentum: float,
        num_classes: int,
        min_cluster: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(length, feat_dim, momentum, num_classes, min_cluster, **kwargs)

    def update_simple_memory(self, ind: Tensor, feature: Tensor) -> None:
        """Blend features into the rows of their images; labels and centroids stay.

        Args:
            ind: Indices of the images, [N] (int64), 0 to L - 1.
            feature: Features of any length, [N, D].

        Raises:
            ArgumentError: The length is not known yet.
        """
        self.blend(ind, feature)

    @torch.no_grad()
    def assign_label(self, label: Any) -> None:
        """Give every image its cluster.

        Args:
            label: Cluster of each image, [L], 0..K-1, an array or a tensor.

        Raises:
            ArgumentError: The number of labels is not L.
        """
        labels = torch.as_tensor(label)
        if labels.shape != self.label_bank.shape:
            raise ArgumentError(
                f"labels {tuple(labels.shape)} don't fit a memory of {len(self.label_bank)} images"
            )
        self.label_bank.copy_(labels)

    def broadcast_feature_bank(self) -> None:
        """Copy the memories of the first rank to all ranks; 0.x's name of ``synchronise``."""
        self.synchronise()
