"""The contrastive loss on similarities. Letters: N anchors, K negatives of an anchor."""

from mmcv.runner import BaseModule
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

from ..builder import HEADS
from ..losses import info_nce


@HEADS.register_module()
class ContrastiveHead(BaseModule):
    """InfoNCE with a temperature; see ``info_nce`` for the equation.

    Args:
        temperature: Divisor of the similarities, above 0.

    Raises:
        ArgumentError: The temperature is not above 0.
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        if temperature <= 0:
            raise ArgumentError(f"temperature must be above 0, got {temperature}")
        self.temperature = temperature

    def forward(self, pos: Tensor, neg: Tensor) -> dict[str, Tensor]:
        """Return ``loss``, a float32 scalar, at least 0: the mean over the anchors.

        Args:
            pos: Similarity of each anchor to its positive, [N, 1].
            neg: Similarities of each anchor to its negatives, [N, K].
        """
        return {"loss": info_nce(pos, neg, self.temperature)}
