"""The head of TiCo. Letters: N images of this process, R processes, D width of a projection."""

import torch
import torch.nn.functional as F
from mmcv.runner import BaseModule
from torch import Tensor

from mmselfsup.utils import dist
from mmselfsup.utils.errors import ArgumentError

from ..builder import HEADS
from ..utils import full_precision
from ..utils.ranges import check_at_least


@HEADS.register_module()
class TiCoHead(BaseModule):
    """Invariance, and a penalty on directions that many images share, by a moving covariance.

    Zhu et al. 2022 (TiCo), equations 4 and 5. The covariance is that of the joined batches.

    Args:
        feat_dim: D.
        beta: Momentum of the moving covariance, 0 to 1.
        rho: Weight of the penalty, at least 0.

    Raises:
        ArgumentError: ``beta`` is not in 0..1, or ``rho`` below 0.
    """

    covariance: Tensor

    def __init__(self, feat_dim: int, beta: float = 0.9, rho: float = 20.0) -> None:
        super().__init__()
        if not 0 <= beta <= 1:
            raise ArgumentError(f"beta must be in 0..1, got {beta}")
        check_at_least(0, rho=rho)
        self.beta, self.rho = beta, rho
        self.register_buffer("covariance", torch.zeros(feat_dim, feat_dim))

    @full_precision
    def forward(self, first: Tensor, second: Tensor) -> dict[str, Tensor]:
        """Return ``loss``, a float32 scalar, and move the covariance in training.

        Args:
            first: Projections [N, D] of one view by the trained encoder.
            second: Projections [N, D] of the other view by the momentum encoder; no gradient.
        """
        z, target = F.normalize(first, dim=1), F.normalize(second.detach(), dim=1)  # [N, D]
        own = z.T @ z / len(z)  # [D, D]
        batch = dist.all_reduce_with_grad(own) / dist.get_world_size()
        moved = self.beta * self.covariance.to(z.dtype) + (1 - self.beta) * batch
        invariance = 1 - (z * target).sum(dim=1).mean()
        # mean over the images of z' C z, of the joined batch as the covariance is.
        penalty = (moved * batch).sum()
        if self.training:
            self.covariance.copy_(moved.detach())
        return {"loss": invariance + self.rho * penalty}
