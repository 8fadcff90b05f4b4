"""ODC: Zhan et al. 2020, "Online Deep Clustering for Unsupervised Representation Learning", CVPR.

Letters: N images, K clusters.
"""

from typing import Any

import torch
from torch import Tensor

from ...utils.errors import ArgumentError
from ..builder import ALGORITHMS, build_memory
from .pseudo_labels import PseudoLabelModel


@ALGORITHMS.register_module()
class ODC(PseudoLabelModel):
    """Clustering and learning at once: labels and centroids change in every iteration.

    An iteration (figure 2): classify the images by the labels in the samples memory; blend their
    features into it and give them the label of the nearest centroid. ``ODCHook`` then weighs
    the loss, moves the centroids and refills small clusters. ``DeepClusterHook`` with
    ``init_memory=True`` fills the memories before the first iteration.

    Args:
        backbone, with_sobel, neck, head, init_cfg: See ``PseudoLabelModel``.
        memory_bank: The memories, ``ODCMemory``; required.
    """

    def __init__(
        self,
        backbone: dict,
        with_sobel: bool = False,
        neck: dict | None = None,
        head: dict | None = None,
        memory_bank: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        if memory_bank is None:
            raise ArgumentError("ODC needs a memory_bank, such as dict(type='ODCMemory', ...)")
        super().__init__(backbone, with_sobel, neck, head, init_cfg)
        self.memory_bank: Any = build_memory(memory_bank)
        if self.memory_bank.num_classes != self.num_classes:
            raise ArgumentError(
                f"memory_bank has {self.memory_bank.num_classes} clusters and the head "
                f"{self.num_classes}: give both the same num_classes"
            )

    def forward_train(self, img: Tensor, idx: Tensor, **kwargs: Any) -> dict[str, Tensor]:
        """Cross entropy of the labels in memory; then the images of the batch get new ones.

        Args:
            img: Images [N, 3, H, W].
            idx: Their places in the data set, [N].
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, ``acc`` in percent, and ``change_ratio``: the share of images whose label
            has changed (in training only).
        """
        feature = self.project(img)  # one entry
        losses = self.head.loss(self.head(feature), self.memory_bank.label_bank[idx])
        vectors = feature[0].detach().flatten(1)  # [N, D]
        if self.training:  # in validation idx counts other images
            losses["change_ratio"] = self.memory_bank.update_samples_memory(idx, vectors)
        return losses

    @torch.no_grad()
    def set_reweight(self, labels: Any = None, reweight_pow: float = 0.5) -> None:
        """Weigh the clusters in the loss: size^-reweight_pow (section 3.2).

        Args:
            labels: Cluster of each image of the data set; None takes those in memory.
            reweight_pow: 0 weighs all alike.
        """
        self.weigh_clusters(self.memory_bank.label_bank if labels is None else labels, reweight_pow)
