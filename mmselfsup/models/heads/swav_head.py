"""Online clustering: codes from prototypes, and their swapped prediction.

Letters: V views, A of them with codes, N images, R ranks, D width, K prototypes.
"""

from collections.abc import Sequence

import torch
from mmcv.runner import BaseModule
from torch import Tensor

from ...utils import dist
from ...utils.distributed_sinkhorn import distributed_sinkhorn
from ...utils.errors import ArgumentError
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
        sinkhorn_iterations, epsilon: See ``distributed_sinkhorn``.
        temperature: Of the predictions, above 0.
        crops_for_assign: Which of the V views get codes, A numbers; the others only predict.
        num_crops: Views of each size; V is their sum.
        num_prototypes: K; a list makes several sets, whose losses are averaged.
        init_cfg: How weights are initialised, in mmcv's format.

    Attributes:
        queue: Earlier projections of the joined batch [A, length, D], newest first, equal on all
            ranks; zeros where none has come yet. ``SwAVHook`` sets it, None goes without.
        use_queue: Whether it is full and takes part in the codes.
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
        if not crops_for_assign or not 0 <= max(crops_for_assign) < sum(num_crops):
            raise ArgumentError(
                f"crops_for_assign={crops_for_assign} must name some of the {sum(num_crops)} views "
                f"of num_crops={num_crops}"
            )
        self.feat_dim, self.temperature = feat_dim, temperature
        self.sinkhorn_iterations, self.epsilon = sinkhorn_iterations, epsilon
        self.crops_for_assign, self.num_crops = list(crops_for_assign), list(num_crops)
        self.prototypes = build_prototypes(feat_dim, num_prototypes)
        self.queue: Tensor | None = None
        self.use_queue = False
        self._counted: Tensor | None = None  # the queue that ``_filled`` rows were counted in
        self._filled = 0

    @full_precision
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Projections of all views, one view after the other, [V*N, D] -> ``loss``, a scalar."""
        num_views = sum(self.num_crops)
        if len(x) % num_views or num_views < 2:
            raise ArgumentError(f"{len(x)} projections are not those of {num_views} >= 2 views")
        views = x.unflatten(0, (num_views, -1))  # [V, N, D]
        share = self._queue_share()  # [A, L, D] or None
        losses = []
        for layer in prototype_sets(self.prototypes):
            scores = layer(views)  # [V, N, K]
            with torch.no_grad():
                earlier = None if share is None else layer(share)  # [A, L, K]
            codes = self._codes(scores.detach(), earlier)  # [A, N, K]
            losses.append(
                swapped_prediction(scores, codes, self.crops_for_assign, self.temperature)
            )
        if self.training and self.queue is not None:
            new = views.detach()[self.crops_for_assign].transpose(0, 1)  # [N, A, D]
            joined = dist.all_gather_cat(new).transpose(0, 1)  # [A, R*N, D]
            self.queue = self._counted = push_newest(self.queue, joined)
            self._filled += joined.shape[1]
        return {"loss": torch.stack(losses).mean()}

    def _codes(self, scores: Tensor, earlier: Tensor | None) -> Tensor:
        """Codes [A, N, K] of the views that get one, among those of the queue where it counts."""
        codes = []
        for i, crop in enumerate(self.crops_for_assign):
            own = scores[crop]  # [N, K]
            joined = own if earlier is None else torch.cat((own, earlier[i]))
            world = dist.get_world_size()
            q = distributed_sinkhorn(joined, self.sinkhorn_iterations, world, self.epsilon)
            codes.append(q[: len(own)])
        return torch.stack(codes)

    def _queue_share(self) -> Tensor | None:
        """This rank's part of the queue once it is full, so that all ranks together count it once.

        Rows are read from the device once, when a queue is set, and counted from there on.
        """
        if self.queue is None:
            return None
        if self.queue is not self._counted:
            self._counted, self._filled = self.queue, int(self.queue[0].any(-1).sum())
        self.use_queue = self.use_queue or self._filled >= self.queue.shape[1]
        return self.queue[:, dist.get_rank() :: dist.get_world_size()] if self.use_queue else None
