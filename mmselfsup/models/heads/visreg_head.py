"""The head of VISReg. Letters: N images of this process, V views, G global ones, D width."""

from mmcv.runner import BaseModule
from torch import Tensor

from mmselfsup.utils import dist
from mmselfsup.utils.errors import ArgumentError

from ..builder import HEADS
from ..losses import centre_and_scale, centroid_error, random_directions, sliced_wasserstein
from ..utils import to_float32
from ..utils.ranges import check_at_least


@HEADS.register_module()
class VISRegHead(BaseModule):
    """Views are predicted by the mean of the global ones; centre, scale and shape are regularised.

    Wu et al. 2026 (VISReg): ``(1 - lambd) * prediction + lambd * (scale + shape + centre)``, each
    term with a weight. Every view's batch is a sample of its own.

    Args:
        lambd: Weight of the regulariser, 0 to 1. The paper: 0.9 for large data, 0.6 for small.
        num_directions: M, the number of random directions of an iteration, at least 1.
        num_global: G, how many of the first views are global, at least 1; None for all.
        scale_weight: Weight of the deviations' distance from 1.
        shape_weight: Weight of the sliced Wasserstein distance; more for long-tailed data.
        centre_weight: Weight of the means' distance from 0.

    Raises:
        ArgumentError: An argument is out of range.

    Difference from the paper: with several processes the statistics are those of the joined batch,
    so that the gradient is that of one process, and all processes have the same directions; there
    each process has its own batch and directions.
    """

    def __init__(
        self,
        lambd: float = 0.9,
        num_directions: int = 4096,
        num_global: int | None = None,
        scale_weight: float = 1.0,
        shape_weight: float = 1.0,
        centre_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if not 0 <= lambd <= 1:
            raise ArgumentError(f"lambd must be in 0..1, got {lambd}")
        global_views = 1 if num_global is None else num_global
        check_at_least(1, num_directions=num_directions, num_global=global_views)
        if min(scale_weight, shape_weight, centre_weight) < 0:
            raise ArgumentError(
                "scale_weight, shape_weight and centre_weight must be at least 0, got "
                f"{scale_weight}, {shape_weight} and {centre_weight}"
            )
        self.lambd, self.num_directions, self.num_global = lambd, num_directions, num_global
        self.scale_weight, self.shape_weight = scale_weight, shape_weight
        self.centre_weight = centre_weight

    def forward(self, views: Tensor) -> dict[str, Tensor]:
        """Return ``loss``, a float32 scalar, at least 0, and its four terms for the log.

        Args:
            views: Projections [V, N, D], the G global views first.

        Raises:
            ArgumentError: The joined batch has one image, which has no deviation.
        """
        z = dist.gather_with_grad(to_float32(views).transpose(0, 1)).transpose(0, 1)  # [V, R*N, D]
        if z.shape[1] < 2:
            raise ArgumentError("VISReg needs two images in a batch, got 1: set drop_last=True")
        directions = random_directions(z.shape[2], self.num_directions, z)  # [D, M]
        centre, scale = centre_and_scale(z)
        terms = {
            "prediction": centroid_error(z, self.num_global),
            "scale": scale,
            "shape": sliced_wasserstein(z, directions),
            "centre": centre,
        }
        regulariser = (
            self.scale_weight * terms["scale"]
            + self.shape_weight * terms["shape"]
            + self.centre_weight * terms["centre"]
        )
        loss = (1 - self.lambd) * terms["prediction"] + self.lambd * regulariser
        return {"loss": loss, **{name: term.detach() for name, term in terms.items()}}
