"""The head of NNCLR. Letters: N images of this process, R processes, D width of a projection."""

from mmcv.runner import BaseModule
from torch import Tensor

from mmselfsup.utils import dist

from ..builder import HEADS, build_neck
from ..losses import batch_info_nce, check_temperature
from ..utils import to_float32


@HEADS.register_module()
class NNCLRHead(BaseModule):
    """A predictor, and InfoNCE of neighbours among the predictions of the whole batch.

    Dwibedi et al. 2021 (NNCLR), equation 2 with the prediction head of section 3.2.

    Args:
        predictor: Config of a neck that maps vectors [[N, D]] to vectors [[N, D]].
        temperature: Divisor of the cosines, above 0.

    Raises:
        ArgumentError: The temperature is not above 0.
    """

    def __init__(self, predictor: dict, temperature: float = 0.1) -> None:
        super().__init__()
        self.predictor = build_neck(predictor)
        self.temperature = check_temperature(temperature)

    def forward(self, neighbour: Tensor, other: Tensor) -> dict[str, Tensor]:
        """Return ``loss``, a float32 scalar, at least 0: the mean over the N images.

        Args:
            neighbour: Nearest neighbours [N, D] of the projections of one view, without gradient.
            other: Projections [N, D] of the other view. The predictions of all R processes are
                those to choose from.
        """
        prediction = to_float32(self.predictor([other])[0])  # [N, D]
        choices = dist.gather_with_grad(prediction)  # [R*N, D]
        first = dist.get_rank() * len(neighbour)
        return {"loss": batch_info_nce(neighbour, choices, self.temperature, first=first)}
