"""Average pooling alone."""

from collections.abc import Sequence

from mmcv.runner import BaseModule
from torch import Tensor, nn

from ..builder import NECKS
from ..utils import only_feature


@NECKS.register_module()
class AvgPool2dNeck(BaseModule):
    """Average-pool a feature map to ``output_size`` x ``output_size``.

    Args:
        output_size: Side of the result.
    """

    def __init__(self, output_size: int = 1) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d((output_size, output_size))

    def forward(self, x: Sequence[Tensor]) -> list[Tensor]:
        """[[N, C, H, W]] -> [[N, C, S, S]] with S = ``output_size``."""
        return [self.avgpool(only_feature(x, self))]
