"""NNBYOL: BYOL whose targets are nearest neighbours from a queue.

Estepa et al. 2023, "All4One: Symbiotic Neighbour Contrastive Learning via Self-Attention and
Redundancy Reduction", ICCV, compares with it; the queue is that of Dwibedi et al. 2021 (NNCLR).
Letters: N images of this process, C channels, D width of a projection.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..builder import ALGORITHMS
from ..utils import NeighbourQueue, two_views
from .byol import BYOL


@ALGORITHMS.register_module()
class NNBYOL(BYOL):
    """Self-distillation: the online network predicts the neighbour of the target's projection.

    The target needs ``MomentumUpdateHook`` as in BYOL.

    Args:
        queue_len: K, the length of the queue, see ``NNCLR``.
        feat_dim: D, ``out_channels`` of the neck.
        **kwargs: See ``BYOL``.
    """

    title = "NNBYOL"

    def __init__(
        self, *args: Any, queue_len: int | None = None, feat_dim: int = 256, **kwargs: Any
    ):
        super().__init__(*args, **kwargs)
        self.neighbours = NeighbourQueue(feat_dim, queue_len)

    def forward_train(self, img: Sequence[Tensor], **kwargs: Any) -> dict[str, Tensor]:
        """Return BYOL's loss with the neighbours of the target's projections in their place.

        Args:
            img: The two views, each [N, C, H, W].
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss`` in -4..4, a float32 scalar: the mean over the N images of this process.

        Raises:
            ArgumentError: ``img`` doesn't hold two views.
        """
        first, second = two_views(img, self)
        online_1 = self.online_net(first)[0]  # [N, D]
        online_2 = self.online_net(second)[0]  # [N, D]
        with torch.no_grad():
            target_1 = self.target_net(first)[0]  # [N, D]
            target_2 = self.target_net(second)[0]  # [N, D]
        near_1, near_2 = self.neighbours.nearest(target_1), self.neighbours.nearest(target_2)
        loss_12 = self.head(online_1, near_2)["loss"]
        loss_21 = self.head(online_2, near_1)["loss"]
        if self.training:
            self.neighbours.push(target_1)
        return {"loss": 2 * (loss_12 + loss_21)}
