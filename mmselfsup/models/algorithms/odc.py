"""ODC: Zhan et al. 2020, "Online Deep Clustering for Unsupervised Representation Learning", CVPR.

Letters: N images of this process, L images of the data set, K clusters, D width of a feature.
"""

from typing import Any

import torch
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

from ..builder import ALGORITHMS, build_memory
from .pseudo_labels import PseudoLabelModel


@ALGORITHMS.register_module()
class ODC(PseudoLabelModel):
    """Simultaneous clustering and classification: labels change in every iteration.

    An iteration (figure 2): classify the images by the labels in the samples memory; blend their
    features into that memory and give them the label of the nearest centroid. ``ODCHook`` then
    sets the weights of the loss, updates the centroids and refills small clusters, each at its own
    interval in iterations. ``DeepClusterHook`` with ``init_memory=True`` fills the memories before
    the first iteration.

    Args:
        backbone, with_sobel, neck, head, init_cfg: See ``PseudoLabelModel``.
        memory_bank: Config of the memories, ``ODCMemory``; required.

    Raises:
        ArgumentError: The head or the memory bank is missing, or they differ in ``num_classes``.
    """

    title = "ODC"
    family = "clustering"
    needed_hooks = ("ODCHook",)

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
        """Return the cross entropy of the labels in memory, then update the labels of the batch.

        Args:
            img: Images [N, 3, H, W].
            idx: Their indices in the data set, [N] (int64), 0..L-1.
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, ``acc`` in percent, and ``change_ratio``: the fraction (0 to 1) of the joined
            batch whose label has changed (in training only).

        Raises:
            ArgumentError: The memory is empty, see ``ODCMemory.init_memory``.
        """
        feature = self.project(img)  # one entry
        losses = self.head.loss(self.head(feature), self.memory_bank.label_bank[idx])
        vectors = feature[0].detach().flatten(1)  # [N, D]
        if self.training:  # in validation ``idx`` refers to another data set
            losses["change_ratio"] = self.memory_bank.update_samples_memory(idx, vectors)
        return losses

    @torch.no_grad()
    def set_reweight(self, labels: Any = None, reweight_pow: float = 0.5) -> None:
        """Set the weight of each cluster in the loss to size^-reweight_pow (section 3.2).

        Args:
            labels: Cluster of each image of the data set, [L]; None takes those in memory.
            reweight_pow: At least 0; 0 gives all clusters the same weight.

        Raises:
            ArgumentError: See ``set_class_weights``.
        """
        self.weigh_clusters(self.memory_bank.label_bank if labels is None else labels, reweight_pow)
