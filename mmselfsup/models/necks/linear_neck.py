"""A single linear layer. Letters: N batch, H, W size of a feature map."""

from collections.abc import Sequence

from mmcv.runner import BaseModule
from torch import Tensor, nn

from ..builder import NECKS
from ..utils import whole_image


@NECKS.register_module()
class LinearNeck(BaseModule):
    """Average pooling and a linear layer.

    Args:
        in_channels: Width of the features.
        out_channels: Width of the projection.
        with_avg_pool: Average-pool feature maps first; False takes vectors.
        init_cfg: How weights are initialised, in mmcv's format.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        with_avg_pool: bool = True,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.with_avg_pool = with_avg_pool
        if with_avg_pool:
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(in_channels, out_channels)

    def forward(self, x: Sequence[Tensor]) -> list[Tensor]:
        """Project [[N, in_channels, H, W]] or [[N, in_channels]] to [[N, out_channels]].

        Raises:
            ArgumentError: The backbone gave more than one entry.
        """
        h = whole_image(x, self)
        if self.with_avg_pool and h.ndim == 4:
            h = self.avgpool(h)
        return [self.fc(h.flatten(1))]
