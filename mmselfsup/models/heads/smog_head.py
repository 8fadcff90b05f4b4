"""The head of SMoG. Letters: N images of this process, D width of a projection, K groups."""

import torch
import torch.nn.functional as F
from mmcv.runner import BaseModule
from torch import Tensor

from mmselfsup.utils import dist
from mmselfsup.utils.clustering import torch_kmeans
from mmselfsup.utils.errors import ArgumentError

from ..builder import HEADS, build_neck
from ..losses import check_temperature
from ..utils import NeighbourQueue, full_precision


@HEADS.register_module()
class SMoGHead(BaseModule):
    """Groups that follow the projections step by step, and the contrast of an image to them.

    Pang et al. 2022 (SMoG), section 3. The gradient passes the groups too: they contain the
    projections of the batch when they are compared.

    Args:
        feat_dim: D.
        predictor: Config of a neck that maps vectors [[N, D]] to vectors [[N, D]].
        num_groups: K, at least 2.
        temperature: Divisor of the cosines, above 0.
        beta: Momentum of the groups, 0 to 1.
        queue_len: Length of the queue of projections that ``SMoGHook`` clusters, at least K and a
            batch of all processes. None derives it from the number of training images.

    Attributes:
        groups: Unit vectors [K, D], random at the start; part of checkpoints.

    Raises:
        ArgumentError: An argument is out of range.
    """

    groups: Tensor

    def __init__(
        self,
        feat_dim: int,
        predictor: dict,
        num_groups: int = 3000,
        temperature: float = 0.1,
        beta: float = 0.99,
        queue_len: int | None = None,
    ) -> None:
        super().__init__()
        if num_groups < 2 or not 0 <= beta <= 1:
            raise ArgumentError(
                f"num_groups must be from 2 and beta in 0..1, got {num_groups} and {beta}"
            )
        self.predictor = build_neck(predictor)
        self.temperature, self.beta = check_temperature(temperature), beta
        self.register_buffer("groups", F.normalize(torch.randn(num_groups, feat_dim), dim=1))
        self.others = NeighbourQueue(feat_dim, queue_len)

    def forward(self, first: Tensor, second: Tensor) -> dict[str, Tensor]:
        """Return ``loss``, a float32 scalar, at least 0; in training groups and queue move.

        ``used_groups`` is logged: the share of groups that the targets of this process name.

        Args:
            first: Projections [N, D] of one view by the trained encoder; those of all processes
                move the groups.
            second: Projections [N, D] of the other view by the momentum encoder; no gradient.
        """
        moved = self.moved(first)  # [K, D]
        targets = self.nearest(second.detach())  # [N], of the groups before they move
        loss = self._contrast(self.predictor([first])[0], moved, targets)
        if self.training:
            self.groups.copy_(moved.detach())
            self.others.push(first)
        used = torch.zeros_like(moved[:, 0]).index_fill_(0, targets, 1.0).mean()
        return {"loss": loss, "used_groups": used.detach()}

    @full_precision
    def nearest(self, z: Tensor) -> Tensor:
        """Return the group with the largest cosine to each of projections [N, D], [N] (int64)."""
        return (F.normalize(z, dim=1) @ self.groups.to(z.dtype).T).argmax(dim=1)

    @full_precision
    def moved(self, z: Tensor) -> Tensor:
        """Return the groups [K, D] after a step towards the projections nearest to each.

        ``g_k <- beta g_k + (1 - beta) mean of the z of group k``, scaled to unit length; a group
        without projections stays. The projections are those of all processes.

        Args:
            z: Projections [N, D] of this process, of any length.
        """
        groups = self.groups.to(z.dtype)
        unit = F.normalize(z, dim=1)
        counted = torch.cat((unit, torch.ones_like(unit[:, :1])), dim=1)  # [N, D + 1]
        own = counted.new_zeros(len(groups), counted.shape[1])
        sums = dist.all_reduce_with_grad(own.index_add(0, self.nearest(z), counted))  # [K, D + 1]
        counts = sums[:, -1:]  # [K, 1]
        means = sums[:, :-1] / counts.clamp(min=1)
        step = (1 - self.beta) * (counts > 0).to(z.dtype)  # [K, 1]
        return F.normalize(groups + step * (means - groups), dim=1)

    @full_precision
    def _contrast(self, prediction: Tensor, groups: Tensor, targets: Tensor) -> Tensor:
        """Return the cross entropy of naming the group of each prediction [N, D]."""
        cosines = F.normalize(prediction, dim=1) @ groups.T  # [N, K]
        return F.cross_entropy(cosines / self.temperature, targets)

    @torch.no_grad()
    def regroup(self) -> None:
        """Make the groups the centroids of the projections in the queue, the same on all processes.

        The queue holds as many as there are groups, or more.
        """
        seed = int(torch.randint(2**31 - 1, ()))
        rows = self.others.queue.T.contiguous()  # [length, D]
        centroids = torch.from_numpy(torch_kmeans(rows, len(self.groups), seed).centroids)
        self.groups.copy_(dist.broadcast(F.normalize(centroids.to(self.groups), dim=1)))
