"""The head of MoCo v3. Letters: N images of this process, R processes, D width of a projection."""

from mmcv.runner import BaseModule
from torch import Tensor

from mmselfsup.utils import dist

from ..builder import HEADS, build_neck
from ..losses import batch_info_nce, check_temperature


@HEADS.register_module()
class MoCoV3Head(BaseModule):
    """A predictor, and InfoNCE of its output among the keys of the whole batch.

    Chen et al. 2021 (MoCo v3), algorithm 1, function ``ctr``: the factor 2 * temperature makes the
    size of the gradient independent of the temperature.

    Args:
        predictor: Config of a neck that maps vectors [[N, D]] to vectors [[N, D]].
        temperature: Divisor of the similarities, above 0.

    Raises:
        ArgumentError: The temperature is not above 0.
    """

    def __init__(self, predictor: dict, temperature: float = 1.0) -> None:
        super().__init__()
        self.predictor = build_neck(predictor)
        self.temperature = check_temperature(temperature)

    def forward(self, base_out: Tensor, momentum_out: Tensor) -> dict[str, Tensor]:
        """Return ``loss``, a float32 scalar, at least 0: the mean over the N queries.

        Args:
            base_out: Projections [N, D] of one view by the trained encoder.
            momentum_out: Projections [N, D] of the other view by the momentum encoder, without
                gradient. Those of all R processes are the keys.
        """
        query = self.predictor([base_out])[0]  # [N, D]
        keys = dist.all_gather_cat(momentum_out.detach())  # [R*N, D]
        loss = batch_info_nce(query, keys, self.temperature, first=dist.get_rank() * len(query))
        return {"loss": 2 * self.temperature * loss}
