"""The heads of VICReg, VICRegL and VIbCReg.

Letters: N images of this process, R processes, L places of a map, K matches, D width of a
projection.
"""

import torch.nn.functional as F
from mmcv.runner import BaseModule
from torch import Tensor

from mmselfsup.utils import dist
from mmselfsup.utils.errors import ArgumentError

from ..builder import HEADS
from ..losses import correlation_penalty, covariance_penalty, nearest_pairs, variance_hinge
from ..utils import to_float32
from ..utils.masking import take_tokens
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
        loss, terms = self.criterion(first, second)
        return {"loss": loss, **{name: term.detach() for name, term in terms.items()}}

    def criterion(self, first: Tensor, second: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted sum of the three terms, and the terms.

        Args:
            first: Projections [N, D] of one view, or [N, K, D] of K slots of each image.
            second: Those of the other view.
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
        return loss, {"invariance": invariance, "variance": variance, "covariance": covariance}

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


@HEADS.register_module()
class VICRegLHead(VICRegHead):
    """VICReg's terms of whole views, and of matched places of their maps.

    Bardes et al. 2022 (VICRegL), equations 1 to 4. Places are matched by their positions in the
    image and by their features; of both kinds the K closest pairs count, in both directions. Each
    of the K matches of an image is a slot: variance and covariance are those over the images.

    Args:
        alpha: Weight of the whole views, 0 to 1; the local terms have ``1 - alpha``.
        num_matches: K, at most the places of a map.
        invariance_weight: See ``VICRegHead``; so are the other weights.

    Raises:
        ArgumentError: ``alpha`` is out of range.
    """

    def __init__(
        self,
        alpha: float = 0.75,
        num_matches: int = 20,
        invariance_weight: float = 25.0,
        variance_weight: float = 25.0,
        covariance_weight: float = 1.0,
    ) -> None:
        super().__init__(invariance_weight, variance_weight, covariance_weight)
        if not 0 <= alpha <= 1:
            raise ArgumentError(f"alpha must lie in 0..1, got {alpha}")
        self.alpha, self.num_matches = alpha, num_matches

    def forward(  # type: ignore[override]
        self,
        first: Tensor,
        second: Tensor,
        local_first: Tensor,
        local_second: Tensor,
        place_first: Tensor,
        place_second: Tensor,
    ) -> dict[str, Tensor]:
        """Return ``loss_global``, ``loss_location``, ``loss_feature``, and VICReg's terms.

        Args:
            first: Projections [N, D] of one view; those of all processes are joined.
            second: Projections [N, D] of the other view.
            local_first: Projections of the places of the first view, [N, L, D'].
            local_second: Those of the other view.
            place_first: Positions of the places in the image, [N, L, 2].
            place_second: Those of the other view.

        Raises:
            ArgumentError: K is more than L.
        """
        whole, terms = self.criterion(first, second)
        local = local_first, local_second
        return {
            "loss_global": self.alpha * whole,
            "loss_location": (1 - self.alpha) * self.matched(local, (place_first, place_second)),
            "loss_feature": (1 - self.alpha) * self.matched(local, local),
            **{name: term.detach() for name, term in terms.items()},
        }

    def matched(self, local: tuple[Tensor, Tensor], by: tuple[Tensor, Tensor]) -> Tensor:
        """Return the mean of both directions of the criterion of matched places.

        Args:
            local: Projections of the places of both views, [N, L, D'] each.
            by: The vectors whose distances decide, [N, L, any] each.
        """
        total = local[0].new_zeros(())
        for own, other in ((0, 1), (1, 0)):
            i, j = nearest_pairs(by[own], by[other], self.num_matches)  # [N, K]
            pairs = take_tokens(local[own], i), take_tokens(local[other], j)
            total = total + self.criterion(*pairs)[0] / 2
        return total
