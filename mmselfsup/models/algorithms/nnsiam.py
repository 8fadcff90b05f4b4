"""NNSiam: SimSiam whose targets are nearest neighbours from a queue.

The queue is that of Dwibedi et al. 2021 (NNCLR).
Letters: N images of this process, D width of a projection.
"""

from typing import Any

from torch import Tensor

from ..builder import ALGORITHMS
from ..utils import NeighbourQueue
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
    family = "self-distillation"

    def __init__(
        self, *args: Any, queue_len: int | None = None, feat_dim: int = 256, **kwargs: Any
    ):
        super().__init__(*args, **kwargs)
        self.neighbours = NeighbourQueue(feat_dim, queue_len)

    def targets(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Return the nearest neighbours of the projections [N, D] of both views."""
        return self.neighbours(first, second)
