"""The heads of VICReg and VIbCReg.

Letters: N images of this process, R processes, D width of a projection.
"""

import torch.nn.functional as F
from mmcv.runner import BaseModule
from torch import Tensor

from mmselfsup.utils import dist
from mmselfsup.utils.errors import ArgumentError

from ..builder import HEADS
from ..losses import correlation_penalty, covariance_penalty, variance_hinge
from ..utils import to_float32
from ..utils.whitening import newton_whitening


@HEADS.register_module()
class VICRegHead(BaseModule):
    """Variance, invariance and covariance of the projections of two views, over the joined batch.

    Bardes et al. 2022 (VICReg), equation 6 and algorithm 1. As in the algorithm, the invariance is
    the mean over images and components; equation 5 has the sum over the components.

    Args:
        invariance_weight: Weight of the mean squared difference of the views (lambda).
        variance_weight: Weight of the variance terms (mu). The authors' code halves them: that is
            half of this weight.
        covariance_weight: Weight of the covariance terms (nu).
    """

    def __init__(
        self,
        invariance_weight: float = 25.0,
        variance_weight: float = 25.0,
        covariance_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.invariance_weight = invariance_weight
        self.variance_weight = variance_weight
        self.covariance_weight = covariance_weight

    def forward(self, first: Tensor, second: Tensor) -> dict[str, Tensor]:
        """Return ``loss``, a float32 scalar, at least 0, and its three terms for the log.

        Args:
            first: Projections [N, D] of one view; those of all processes are joined.
            second: Projections [N, D] of the other view.
        """
        # Equal on all processes; see ``gather_with_grad`` for the gradient.
        joined = (dist.gather_with_grad(to_float32(z)) for z in (first, second))
        z_a, z_b = (self.prepare(z) for z in joined)  # [R*N, D]
        invariance = F.mse_loss(z_a, z_b)
        variance = variance_hinge(z_a) + variance_hinge(z_b)
        covariance = self.covariance(z_a) + self.covariance(z_b)
        loss = (
            self.invariance_weight * invariance
            + self.variance_weight * variance
            + self.covariance_weight * covariance
        )
        terms = {"invariance": invariance, "variance": variance, "covariance": covariance}
        return {"loss": loss, **{name: term.detach() for name, term in terms.items()}}

    def prepare(self, z: Tensor) -> Tensor:
        """Return the projections [R*N, D] that the terms take; here they stay as they are."""
        return z

    def covariance(self, z: Tensor) -> Tensor:
        """Return the covariance term of projections [R*N, D]."""
        return covariance_penalty(z)


@HEADS.register_module()
class VIbCRegHead(VICRegHead):
    """VICReg's terms of whitened projections, with correlations in the place of covariances.

    Lee and Aune 2021 (VIbCReg): the projections pass iterative normalisation, the
    last layer of the projector in the paper, over the joined batch.

    Args:
        invariance_weight: See ``VICRegHead``; so is ``variance_weight``.
        covariance_weight: Weight of the correlation terms (nu).
        iterations: Newton iterations of the normalisation, see ``newton_whitening``; None leaves it
            out.

    Raises:
        ArgumentError: ``iterations`` is below 1.
    """

    def __init__(
        self,
        invariance_weight: float = 25.0,
        variance_weight: float = 25.0,
        covariance_weight: float = 200.0,
        iterations: int | None = 5,
    ) -> None:
        super().__init__(invariance_weight, variance_weight, covariance_weight)
        if iterations is not None and iterations < 1:
            raise ArgumentError(f"iterations must be None or from 1, got {iterations}")
        self.iterations = iterations

    def prepare(self, z: Tensor) -> Tensor:
        """Return the whitened projections [R*N, D]."""
        return z if self.iterations is None else newton_whitening(z, self.iterations)

    def covariance(self, z: Tensor) -> Tensor:
        """Return the mean squared correlation of projections [R*N, D]."""
        return correlation_penalty(z)
