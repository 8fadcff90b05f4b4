"""Average pooling. Letters: N batch, C channels, H, W size of a feature map."""

from collections.abc import Sequence

from mmcv.runner import BaseModule
from torch import Tensor, nn

from ..builder import NECKS
from ..utils import only_feature, spatial_map


@NECKS.register_module()
class AvgPool2dNeck(BaseModule):
    """Average pooling of a feature map to ``output_size`` positions.

    Args:
        output_size: Side of the result in positions, at least 1, or (height, width).
    """

    def __init__(self, output_size: int | tuple[int, int] = 1) -> None:
        super().__init__()
        size = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
        self.avgpool = nn.AdaptiveAvgPool2d(size)

    def forward(self, x: Sequence[Tensor]) -> list[Tensor]:
        """Pool [[N, C, H, W]] to [[N, C, S, T]] with (S, T) = ``output_size``.

        Raises:
            ArgumentError: The backbone gave more than one entry.
        """
        return [self.avgpool(spatial_map(only_feature(x, self)))]
