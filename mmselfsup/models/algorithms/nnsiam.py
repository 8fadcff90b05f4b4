"""NNSiam: SimSiam whose targets are nearest neighbours from a queue.

The queue is that of Dwibedi et al. 2021 (NNCLR).
Letters: N images of this process, C channels, D width of a projection.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ..builder import ALGORITHMS
from ..utils import NeighbourQueue, two_views
from .simsiam import SimSiam


@ALGORITHMS.register_module()
class NNSiam(SimSiam):
    """Self-distillation without a momentum encoder: each view predicts the other's neighbour.

    Args:
        queue_len: K, the length of the queue, see ``NNCLR``.
        feat_dim: D, ``out_channels`` of the neck.
        **kwargs: See ``SimSiam``.
    """

    title = "NNSiam"

    def __init__(
        self, *args: Any, queue_len: int | None = None, feat_dim: int = 256, **kwargs: Any
    ):
        super().__init__(*args, **kwargs)
        self.neighbours = NeighbourQueue(feat_dim, queue_len)

    def forward_train(self, img: Sequence[Tensor], **kwargs: Any) -> dict[str, Tensor]:
        """Return SimSiam's loss with the neighbours of the projections as targets.

        Args:
            img: The two views, each [N, C, H, W].
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss`` in -1..1, a float32 scalar: the mean over the N images of this process.

        Raises:
            ArgumentError: ``img`` doesn't hold two views.
        """
        first, second = two_views(img, self)
        z1 = self.encoder(first)[0]  # [N, D]
        z2 = self.encoder(second)[0]  # [N, D]
        loss_12 = self.head(z1, self.neighbours.nearest(z2))["loss"]
        loss_21 = self.head(z2, self.neighbours.nearest(z1))["loss"]
        if self.training:
            self.neighbours.push(z1)
        return {"loss": (loss_12 + loss_21) / 2}
