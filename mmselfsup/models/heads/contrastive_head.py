"""The contrastive loss on similarities."""

from mmcv.runner import BaseModule
from torch import Tensor

from ...utils.errors import ArgumentError
from ..builder import HEADS
from ..losses import info_nce


@HEADS.register_module()
class ContrastiveHead(BaseModule):
    """InfoNCE with a temperature.

    Args:
        temperature: What similarities are divided by, above 0.

    Raises:
        ArgumentError: The temperature is not above 0.
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        if temperature <= 0:
            raise ArgumentError(f"temperature must be above 0, got {temperature}")
        self.temperature = temperature

    def forward(self, pos: Tensor, neg: Tensor) -> dict[str, Tensor]:
        """Similarities to positives [N, 1] and negatives [N, K] -> ``loss``, a scalar."""
        return {"loss": info_nce(pos, neg, self.temperature)}
