"""Online clustering: codes from prototypes, and their swapped prediction (Caron et al. 2020).

Letters: V views, A of them with codes, N images of this rank, R ranks, D width, K prototypes,
L rows of this rank's part of the queue.
"""

from collections.abc import Sequence

import torch
from mmcv.runner import BaseModule
from torch import Tensor

from mmselfsup.utils import dist
from mmselfsup.utils.distributed_sinkhorn import distributed_sinkhorn
from mmselfsup.utils.errors import ArgumentError

from ..builder import HEADS
from ..losses import swapped_prediction
from ..utils.multi_prototypes import build_prototypes, prototype_sets
from ..utils.precision import full_precision
from ..utils.queue import push_newest


@HEADS.register_module()
class SwAVHead(BaseModule):
    """Prototypes and SwAV's loss, in float32.

    Args:
        feat_dim: D.
        sinkhorn_iterations, epsilon: See ``distributed_sinkhorn``; ``epsilon`` is above 0.
        temperature: Temperature of the predictions, above 0.
        crops_for_assign: Indices of the A views that get codes, 0..V-1; the others only predict.
        num_crops: Number of views of each size; V is their sum.
        num_prototypes: K; a list makes several sets of prototypes, whose losses are averaged.
        init_cfg: How weights are initialised, in mmcv's format.

    Attributes:
        queue: Earlier projections of the joined batch [A, length, D], newest first, equal on all
            ranks; rows that are not filled yet are zeros. ``SwAVHook`` sets it; None is no queue.
        use_queue: Whether the queue is full and used for the codes.

    Raises:
        ArgumentError: An argument is out of range.
    """

    def __init__(
        self,
        feat_dim: int,
        sinkhorn_iterations: int = 3,
        epsilon: float = 0.05,
        temperature: float = 0.1,
        crops_for_assign: Sequence[int] = [0, 1],
        num_crops: Sequence[int] = [2],
        num_prototypes: int | Sequence[int] = 3000,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if temperature <= 0 or epsilon <= 0:
            raise ArgumentError(
                f"temperature and epsilon must be above 0, got {temperature} and {epsilon}"
            )
        num_views = sum(num_crops)
        if not crops_for_assign or any(not 0 <= crop < num_views for crop in crops_for_assign):
            raise ArgumentError(
                f"crops_for_assign={crops_for_assign} must name some of the {num_views} views "
                f"of num_crops={num_crops}"
            )
        self.feat_dim, self.temperature = feat_dim, temperature
        self.sinkhorn_iterations, self.epsilon = sinkhorn_iterations, epsilon
        self.crops_for_assign, self.num_crops = list(crops_for_assign), list(num_crops)
        self.prototypes = build_prototypes(feat_dim, num_prototypes)
        self.queue: Tensor | None = None
        self.use_queue = False
        self._counted: Tensor | None = None  # the queue whose rows ``_filled`` counts
        self._filled = 0

    @full_precision
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Return the loss of equation 6, then push the projections into the queue.

        Args:
            x: Unit-length projections of all views, one view after the other, [V*N, D].

        Returns:
            ``loss``, a float32 scalar, at least 0: the mean over the images of this rank.

        Raises:
            ArgumentError: The number of projections is no multiple of V, or V is below 2.
        """
        num_views = sum(self.num_crops)
        if len(x) % num_views or num_views < 2:
            raise ArgumentError(f"{len(x)} projections are not those of {num_views} >= 2 views")
        views = x.unflatten(0, (num_views, -1))  # [V, N, D]
        queued = self._own_queue()  # [A, L, D] or None
        losses = []
        for layer in prototype_sets(self.prototypes):
            scores = layer(views)  # [V, N, K]
            with torch.no_grad():
                earlier = None if queued is None else layer(queued)  # [A, L, K]
            codes = self._codes(scores.detach(), earlier)  # [A, N, K]
            losses.append(
                swapped_prediction(scores, codes, self.crops_for_assign, self.temperature)
            )
        if self.training and self.queue is not None:
            # Not indexed by a list, which would be copied to the device in each step.
            new = torch.stack([views[crop] for crop in self.crops_for_assign], dim=1)  # [N, A, D]
            joined = dist.all_gather_cat(new.detach()).transpose(0, 1)  # [A, R*N, D]
            self.queue = self._counted = push_newest(self.queue, joined)
            self._filled += joined.shape[1]
        return {"loss": torch.stack(losses).mean()}

    def _codes(self, scores: Tensor, earlier: Tensor | None) -> Tensor:
        """Return the codes of the views that get some, [A, N, K]; no gradient.

        Args:
            scores: Similarities of all views to the prototypes, [V, N, K].
            earlier: Those of the queue, [A, L, K], or None.
        """
        codes = []
        for i, crop in enumerate(self.crops_for_assign):
            own = scores[crop]  # [N, K]
            # Earlier projections only balance the assignment; their codes are dropped.
            joined = own if earlier is None else torch.cat((own, earlier[i]))  # [N + L, K]
            world = dist.get_world_size()
            # The codes of a view come from this view alone, as in the paper's code.
            q = distributed_sinkhorn(joined, self.sinkhorn_iterations, world, self.epsilon)
            codes.append(q[: len(own)])
        return torch.stack(codes)

    def _own_queue(self) -> Tensor | None:
        """Return this rank's part of the queue, [A, L, D], or None until the queue is full.

        The ranks' parts are disjoint, so all ranks together use each row once.
        """
        if self.queue is None:
            return None
        # Reading the number of filled rows waits for the device, so it is done only for a new
        # queue; ``forward`` counts from then on.
        if self.queue is not self._counted:
            self._counted, self._filled = self.queue, int(self.queue[0].any(-1).sum())
        self.use_queue = self.use_queue or self._filled >= self.queue.shape[1]
        return self.queue[:, dist.get_rank() :: dist.get_world_size()] if self.use_queue else None
