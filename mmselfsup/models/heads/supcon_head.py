"""The head of SupCon. Letters: N images of all processes, D width of a projection."""

from mmcv.runner import BaseModule
from torch import Tensor

from ..builder import HEADS
from ..losses import check_temperature, supervised_contrastive


@HEADS.register_module()
class SupConHead(BaseModule):
    """The supervised contrastive loss; see ``supervised_contrastive`` for the equation.

    Args:
        temperature: Divisor of the similarities, above 0.
        balanced: Let every class weigh the same in the denominator, for rare classes.

    Raises:
        ArgumentError: The temperature is not above 0.
    """

    def __init__(self, temperature: float = 0.1, balanced: bool = False) -> None:
        super().__init__()
        self.temperature, self.balanced = check_temperature(temperature), balanced

    def forward(self, z: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return ``loss``, a float32 scalar: the mean over the views.

        Args:
            z: Unit projections [2N, D], the two views of an image next to each other.
            labels: Classes [N] (int64), -1 for an image without one.
        """
        return {"loss": supervised_contrastive(z, labels, self.temperature, self.balanced)}
