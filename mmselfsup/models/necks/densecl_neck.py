"""The two projections of DenseCL: Wang et al. 2021, "Dense Contrastive Learning ...", section 3.2.

Letters: N batch, C channels and H, W size of the feature map, D width of a projection, L places of
the dense projection, S side of its grid.
"""

from collections.abc import Sequence

from mmcv.runner import BaseModule
from torch import Tensor, nn

from ..builder import NECKS
from ..utils import only_feature, spatial_map


@NECKS.register_module()
class DenseCLNeck(BaseModule):
    """One projection of the whole image and one of each place.

    Args:
        in_channels: C.
        hid_channels: Width of the hidden layers.
        out_channels: D.
        num_grid: S, to which the map is pooled before the dense projection; None or 0 leaves its
            size unchanged.
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
        """Return the projections: global [N, D], dense [N, D, L], mean of the dense one [N, D].

        Args:
            x: The feature map [[N, C, H, W]].

        Returns:
            Three entries; L is H times W, or S squared.

        Raises:
            ArgumentError: The backbone gave more than one entry.
        """
        maps = spatial_map(only_feature(x, self))
        whole = self.mlp(self.avgpool(maps).flatten(1))  # [N, D]
        dense = self.mlp2(self.pool_grid(maps))  # [N, D, S, S]
        return [whole, dense.flatten(2), self.avgpool2(dense).flatten(1)]

    def pool_grid(self, maps: Tensor) -> Tensor:
        """Return a map [N, C, H, W] pooled to the grid of the dense projection, [N, C, S, S]."""
        return self.pool(maps) if self.with_pool else maps
