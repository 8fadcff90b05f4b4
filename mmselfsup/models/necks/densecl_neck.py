"""The two projections of DenseCL: Wang et al. 2021, "Dense Contrastive Learning ...", section 3.2.

Letters: N batch, D width of a projection, L places of the dense projection.
"""

from collections.abc import Sequence

from mmcv.runner import BaseModule
from torch import Tensor, nn

from ..builder import NECKS
from ..utils import only_feature


@NECKS.register_module()
class DenseCLNeck(BaseModule):
    """One projection of the whole image and one of every place.

    Args:
        in_channels: Channels of the feature map.
        hid_channels: Width of the hidden layers.
        out_channels: D.
        num_grid: S: the map is pooled to S x S places before the dense projection; None or 0
            keeps its own size.
        init_cfg: How weights are initialised, in mmcv's format.
    """

    def __init__(
        self,
        in_channels: int,
        hid_channels: int,
        out_channels: int,
        num_grid: int | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.mlp = nn.Sequential(
            nn.Linear(in_channels, hid_channels),
            nn.ReLU(inplace=True),
            nn.Linear(hid_channels, out_channels),
        )
        self.with_pool = bool(num_grid)
        if num_grid:
            self.pool = nn.AdaptiveAvgPool2d((num_grid, num_grid))
        self.mlp2 = nn.Sequential(
            nn.Conv2d(in_channels, hid_channels, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hid_channels, out_channels, 1),
        )
        self.avgpool2 = nn.AdaptiveAvgPool2d((1, 1))

    def forward(self, x: Sequence[Tensor]) -> list[Tensor]:
        """[[N, in_channels, H, W]] -> projections: global [N, D], dense [N, D, L], its mean [N, D].

        L is H times W, or ``num_grid`` squared.
        """
        maps = only_feature(x, self)
        whole = self.mlp(self.avgpool(maps).flatten(1))  # [N, D]
        dense = self.mlp2(self.pool_grid(maps))  # [N, D, S, S]
        return [whole, dense.flatten(2), self.avgpool2(dense).flatten(1)]

    def pool_grid(self, maps: Tensor) -> Tensor:
        """A map [N, C, H, W] on the grid of the dense projection."""
        return self.pool(maps) if self.with_pool else maps
