"""The head of MSN and PMSN.

Letters: N images of this process, A anchors (views of the student) of an image, D width of a
projection, K prototypes.
"""

import torch
import torch.nn.functional as F
from mmcv.runner import BaseModule
from torch import Tensor

from mmselfsup.utils import dist
from mmselfsup.utils.errors import ArgumentError

from ..builder import HEADS
from ..losses import check_temperature, power_law_prior, prior_divergence
from ..utils import full_precision
from ..utils.centring import Centring
from ..utils.multi_prototypes import UnitRows


@HEADS.register_module()
class MSNHead(BaseModule):
    """Masked views predict the prototypes of a whole view; all prototypes are used.

    Assran et al. 2022 (MSN), section 3. With ``power_law_exponent`` above 0 the prototypes are used
    as a power law says, which fits classes with a long tail: Assran et al. 2023 (PMSN).

    Args:
        feat_dim: D.
        num_prototypes: K.
        temperature: Divisor of the cosines of the anchors, above 0.
        target_temperature: That of the targets, above 0 and below ``temperature``, so that the
            targets are sharp.
        sinkhorn_iterations: Iterations of Sinkhorn-Knopp, which balances the targets over the
            prototypes; 0 for none, as a power law needs.
        prior_weight: Weight of the divergence from the prior (lambda), at least 0.
        power_law_exponent: Exponent of the prior, 0 for a uniform one.

    Raises:
        ArgumentError: An argument is out of range, or Sinkhorn-Knopp is combined with a power law.
    """

    prior: Tensor

    def __init__(
        self,
        feat_dim: int,
        num_prototypes: int = 1024,
        temperature: float = 0.1,
        target_temperature: float = 0.025,
        sinkhorn_iterations: int = 3,
        prior_weight: float = 1.0,
        power_law_exponent: float = 0.0,
    ) -> None:
        super().__init__()
        if sinkhorn_iterations < 0 or prior_weight < 0:
            raise ArgumentError(
                "sinkhorn_iterations and prior_weight must be from 0, got "
                f"{sinkhorn_iterations} and {prior_weight}"
            )
        if sinkhorn_iterations and power_law_exponent:
            raise ArgumentError(
                "Sinkhorn-Knopp makes all prototypes equally frequent, a power law does not: set "
                "head.sinkhorn_iterations=0 or head.power_law_exponent=0"
            )
        self.temperature = check_temperature(temperature)
        self.target_temperature = check_temperature(target_temperature)
        if target_temperature >= temperature:
            raise ArgumentError(
                "target_temperature must be below temperature, so that the targets are sharp; got "
                f"{target_temperature} and {temperature}"
            )
        self.prior_weight = prior_weight
        prior = power_law_prior(num_prototypes, power_law_exponent)
        self.register_buffer("prior", prior, persistent=False)  # [K]
        self.prototypes = UnitRows(feat_dim, num_prototypes)
        kind = "sinkhorn" if sinkhorn_iterations else "none"
        self.centring = Centring(num_prototypes, kind, iterations=max(sinkhorn_iterations, 1))

    @full_precision
    def forward(self, anchors: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return ``loss_prediction`` and ``loss_prior``, float32 scalars, at least 0.

        ``target_entropy`` is logged: near log K where the targets say nothing.

        Args:
            anchors: Projections of masked views by the student, [A, N, D].
            target: Projections of the whole view by the teacher, [N, D]; no gradient.
        """
        scores = self.prototypes(F.normalize(anchors, dim=2))  # [A, N, K]
        log_p = torch.log_softmax(scores / self.temperature, dim=2)
        targets = self.targets(target)  # [N, K]
        prediction = -(targets * log_p).sum(dim=2).mean()
        own = log_p.exp().mean(dim=(0, 1))  # [K]
        mean = dist.all_reduce_with_grad(own) / dist.get_world_size()
        return {
            "loss_prediction": prediction,
            "loss_prior": self.prior_weight * prior_divergence(mean, self.prior),
            "target_entropy": torch.special.entr(targets).sum(dim=1).mean(),
        }

    @torch.no_grad()
    def targets(self, target: Tensor) -> Tensor:
        """Return the sharpened, balanced distributions [N, K] of the teacher's projections."""
        scores = self.prototypes(F.normalize(target, dim=1))  # [N, K]
        # As logarithms of probabilities: Sinkhorn-Knopp starts from distributions of each image.
        log_q = torch.log_softmax(scores / self.target_temperature, dim=1)
        return self.centring(log_q, 1.0)
