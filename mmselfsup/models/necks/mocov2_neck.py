"""The projection of MoCo v2: Chen et al. 2020, "Improved Baselines ...", section 3.

Letters: N batch, H, W size of a feature map.
"""

from collections.abc import Sequence

from mmcv.runner import BaseModule
from torch import Tensor, nn

from ..builder import NECKS
from ..utils import whole_image


@NECKS.register_module()
class MoCoV2Neck(BaseModule):
    """Two linear layers with a ReLU between them: fc-relu-fc.

    Args:
        in_channels: Width of the features.
        hid_channels: Width of the hidden layer.
        out_channels: Width of the projection.
        with_avg_pool: Average-pool feature maps first; False takes vectors.
        init_cfg: How weights are initialised, in mmcv's format.
    """

    def __init__(
        self,
        in_channels: int,
        hid_channels: int,
        out_channels: int,
        with_avg_pool: bool = True,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.with_avg_pool = with_avg_pool
        if with_avg_pool:
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.mlp = nn.Sequential(
            nn.Linear(in_channels, hid_channels),
            nn.ReLU(inplace=True),
            nn.Linear(hid_channels, out_channels),
        )

    def forward(self, x: Sequence[Tensor]) -> list[Tensor]:
        """Project [[N, in_channels, H, W]] or [[N, in_channels]] to [[N, out_channels]].

        Raises:
            ArgumentError: The backbone gave more than one entry.
        """
        h = whole_image(x, self)
        if self.with_avg_pool and h.ndim == 4:
            h = self.avgpool(h)
        return [self.mlp(h.flatten(1))]
