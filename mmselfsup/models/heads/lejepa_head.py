"""The head of LeJEPA. Letters: N images of this process, V views, G global ones, D width."""

import torch
from mmcv.runner import BaseModule
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

from ..builder import HEADS
from ..losses import centroid_error, epps_pulley, random_directions
from ..utils import to_float32


@HEADS.register_module()
class LeJEPAHead(BaseModule):
    """Views are predicted by the mean of the global ones, and every view is an isotropic Gaussian.

    Balestriero and LeCun 2025 (LeJEPA), equation of section 5 and algorithms 1 and 2. No teacher
    and no stop-gradient: the regulariser alone prevents collapse.

    Args:
        lambd: Weight of the regulariser, 0 to 1, against that of the prediction, 1 - lambd.
        num_directions: M, the number of random directions of an iteration.
        num_global: G, how many of the first views are global; None for all.
        knots: Points of the integral of the statistic, see ``epps_pulley``.
        limit: The integral is from ``-limit`` to ``limit``.

    Raises:
        ArgumentError: ``lambd`` is not in 0..1.
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
