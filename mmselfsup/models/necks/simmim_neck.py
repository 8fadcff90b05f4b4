"""The decoder of SimMIM: Xie et al. 2022, section 3.3, one linear layer."""

from collections.abc import Sequence

from mmcv.runner import BaseModule
from torch import Tensor, nn

from ..builder import NECKS
from ..utils import only_feature


@NECKS.register_module()
class SimMIMNeck(BaseModule):
    """A linear layer that predicts the pixels under each place of a map.

    Args:
        in_channels: C, the channels of the map.
        encoder_stride: S, the pixels of the image from one place of the map to the next.
    """

    def __init__(self, in_channels: int, encoder_stride: int) -> None:
        super().__init__()
        self.decoder = nn.Sequential(
            nn.Conv2d(in_channels, encoder_stride**2 * 3, kernel_size=1),
            nn.PixelShuffle(encoder_stride),
        )

    def forward(self, x: Tensor | Sequence[Tensor]) -> Tensor:
        """Return images [N, 3, S * rows, S * columns] for maps [N, C, rows, columns]."""
        return self.decoder(x if isinstance(x, Tensor) else only_feature(x, self))
