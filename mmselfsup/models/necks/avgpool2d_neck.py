"""Average pooling. Letters: N batch, C channels, H, W size of a feature map."""

from collections.abc import Sequence

from mmcv.runner import BaseModule
from torch import Tensor, nn

from ..builder import NECKS
from ..utils import only_feature


@NECKS.register_module()
class AvgPool2dNeck(BaseModule):
    """Average pooling of a feature map to ``output_size`` x ``output_size`` positions.

    Args:
        output_size: Side of the result in positions, at least 1.
    """

    def __init__(self, output_size: int = 1) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d((output_size, output_size))

    def forward(self, x: Sequence[Tensor]) -> list[Tensor]:
        """Pool [[N, C, H, W]] to [[N, C, S, S]] with S = ``output_size``.

        Raises:
            ArgumentError: The backbone gave more than one entry.
        """
        return [self.avgpool(only_feature(x, self))]
