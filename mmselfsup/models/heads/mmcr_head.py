"""The head of MMCR. Letters: N images of this process, R processes, V views, D width."""

import torch
import torch.nn.functional as F
from mmcv.runner import BaseModule
from torch import Tensor

from mmselfsup.utils import dist

from ..builder import HEADS
from ..utils import full_precision
from ..utils.ranges import check_at_least


@HEADS.register_module()
class MMCRHead(BaseModule):
    """The nuclear norm of the images' centroids, which is to be large.

    Yerxa et al. 2023 (MMCR), equation 3. A centroid is the mean over an image's views, so its norm
    is large where the views agree, and the nuclear norm of all of them where images differ.

    Args:
        lambd: Weight of the mean nuclear norm of each image's own views, at least 0 (the paper: 0).

    Raises:
        ArgumentError: ``lambd`` is below 0.
    """

    def __init__(self, lambd: float = 0.0) -> None:
        super().__init__()
        check_at_least(0, lambd=lambd)
        self.lambd = lambd

    @full_precision
    def forward(self, views: Tensor) -> dict[str, Tensor]:
        """Return ``loss``, a float32 scalar, equal on all processes.

        Args:
            views: Projections [V, N, D]; those of all processes are joined.
        """
        unit = F.normalize(views, dim=2)
        centroids = dist.gather_with_grad(unit.mean(dim=0))  # [R*N, D]
        loss = -_nuclear_norm(centroids)
        if self.lambd:
            own = _nuclear_norm(unit.transpose(0, 1)).mean()
            loss = loss + self.lambd * dist.all_reduce_with_grad(own) / dist.get_world_size()
        return {"loss": loss}


def _nuclear_norm(matrix: Tensor) -> Tensor:
    """Return the sum of the singular values of matrices [..., N, D]."""
    return torch.linalg.svdvals(matrix).sum(dim=-1)
