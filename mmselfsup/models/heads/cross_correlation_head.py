"""The head of Barlow Twins. Letters: N images of this process, R processes, D width."""

from mmcv.runner import BaseModule
from torch import Tensor

from mmselfsup.utils import dist

from ..builder import HEADS
from ..losses import redundancy_loss, redundancy_of_samples
from ..utils import SyncBatchNorm, full_precision
from ..utils.ranges import check_at_least


@HEADS.register_module()
class LatentCrossCorrelationHead(BaseModule):
    """Redundancy reduction: the distance of two views' cross-correlation from the identity.

    Zbontar et al. 2021 (Barlow Twins), equations 1 and 2, over the joined batch.

    Args:
        in_channels: D.
        lambd: Weight of the entries off the diagonal, at least 0.

    Raises:
        ArgumentError: ``lambd`` is below 0.

    Difference from 0.x: with several processes the means and deviations are those of the joined
    batch, so that loss and gradient are those of one process.
    """

    def __init__(self, in_channels: int, lambd: float = 0.0051) -> None:
        super().__init__()
        check_at_least(0, lambd=lambd)
        self.lambd = lambd
        self.bn = SyncBatchNorm(in_channels, affine=False)  # (z - mean) / deviation

    @full_precision
    def forward(self, input: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return ``loss``, a float32 scalar, at least 0, for projections [N, D] of two views."""
        first, second = self.bn(input), self.bn(target)
        samples, width = first.shape
        ranks = dist.get_world_size()
        # Multiplications on a process: 2 (R N)^2 D for joined samples, N D^2 for its own matrix.
        if 2 * ranks**2 * samples <= width:
            joined = [dist.gather_with_grad(z) for z in (first, second)]  # [R*N, D]
            return {"loss": redundancy_of_samples(joined[0], joined[1], self.lambd)}
        own = first.T @ second / samples  # [D, D]
        correlation = dist.all_reduce_with_grad(own) / ranks
        return {"loss": redundancy_loss(correlation, self.lambd)}
