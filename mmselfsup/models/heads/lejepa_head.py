"""The head of LeJEPA. Letters: N images of this process, V views, G global ones, D width."""

import torch
from mmcv.runner import BaseModule
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

from ..builder import HEADS
from ..losses import centroid_error, epps_pulley, random_directions
from ..utils import to_float32
from ..utils.ranges import check_at_least


@HEADS.register_module()
class LeJEPAHead(BaseModule):
    """Views are predicted by the mean of the global ones, and every view is an isotropic Gaussian.

    Balestriero and LeCun 2025 (LeJEPA), equation of section 5 and algorithms 1 and 2. No teacher
    and no stop-gradient: the regulariser alone prevents collapse.

    Args:
        lambd: Weight of the regulariser, 0 to 1, against that of the prediction, 1 - lambd.
        num_directions: M, the number of random directions of an iteration, at least 1.
        num_global: G, how many of the first views are global, at least 1; None for all.
        knots: Points of the integral of the statistic, at least 2, see ``epps_pulley``.
        limit: The integral is from ``-limit`` to ``limit``, which is above 0.

    Raises:
        ArgumentError: An argument is out of range.
    """

    def __init__(
        self,
        lambd: float = 0.05,
        num_directions: int = 256,
        num_global: int | None = None,
        knots: int = 17,
        limit: float = 5.0,
    ) -> None:
        super().__init__()
        if not 0 <= lambd <= 1:
            raise ArgumentError(f"lambd must be in 0..1, got {lambd}")
        global_views = 1 if num_global is None else num_global
        check_at_least(1, num_directions=num_directions, num_global=global_views)
        # With one point, or a range of 0, the regulariser would be 0 for any projections.
        check_at_least(2, knots=knots)
        if not limit > 0:
            raise ArgumentError(f"limit must be above 0, got {limit}")
        self.lambd, self.num_directions, self.num_global = lambd, num_directions, num_global
        self.knots, self.limit = knots, limit

    def forward(self, views: Tensor) -> dict[str, Tensor]:
        """Return ``loss``, a float32 scalar, at least 0, and its two terms for the log.

        Args:
            views: Projections [V, N, D], the G global views first.
        """
        z = to_float32(views)
        prediction = centroid_error(z, self.num_global)
        directions = random_directions(z.shape[2], self.num_directions, z)  # [D, M]
        statistics = [epps_pulley(view, directions, self.knots, self.limit) for view in z]
        gaussian = torch.stack(statistics).mean()
        loss = (1 - self.lambd) * prediction + self.lambd * gaussian
        return {"loss": loss, "prediction": prediction.detach(), "gaussian": gaussian.detach()}
