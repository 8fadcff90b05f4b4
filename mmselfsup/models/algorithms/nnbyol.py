"""NNBYOL: BYOL whose targets are nearest neighbours from a queue.

Estepa et al. 2023, "All4One: Symbiotic Neighbour Contrastive Learning via Self-Attention and
Redundancy Reduction", ICCV, compares with it; the queue is that of Dwibedi et al. 2021 (NNCLR).
Letters: N images of this process, D width of a projection.
"""

from typing import Any

from torch import Tensor

from ..builder import ALGORITHMS
from ..utils import NeighbourQueue
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
    family = "self-distillation"

    def __init__(
        self, *args: Any, queue_len: int | None = None, feat_dim: int = 256, **kwargs: Any
    ):
        super().__init__(*args, **kwargs)
        self.neighbours = NeighbourQueue(feat_dim, queue_len)

    def targets(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Return the nearest neighbours of the target's projections [N, D] of both views."""
        return self.neighbours(first, second)
