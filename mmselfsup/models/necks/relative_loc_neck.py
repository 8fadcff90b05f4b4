"""The layer on the joined features of a pair of patches (Doersch et al. 2015).

Letters: N pairs, H, W size of a feature map.
"""

from collections.abc import Sequence

from mmcv.cnn import build_norm_layer
from mmcv.runner import BaseModule
from torch import Tensor, nn

from ..builder import LINEAR_INIT, NECKS
from ..utils import whole_image


@NECKS.register_module()
class RelativeLocNeck(BaseModule):
    """Average pooling, then fc-bn-relu-dropout on the joined features of two patches.

    Args:
        in_channels: Width of the features of one patch.
        out_channels: Width of the projection.
        with_avg_pool: Average-pool feature maps first; False takes vectors.
        norm_cfg: Config of the normalisation. ``momentum`` is 0.003 by default, so that the running
            statistics average over some hundred iterations.
        init_cfg: How weights are initialised, in mmcv's format.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        with_avg_pool: bool = True,
        norm_cfg: dict = {"type": "BN1d"},  # noqa: B006
        init_cfg: dict | list[dict] | None = LINEAR_INIT,
    ) -> None:
        super().__init__(init_cfg)
        self.with_avg_pool = with_avg_pool
        if with_avg_pool:
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(2 * in_channels, out_channels)
        self.bn = build_norm_layer({"momentum": 0.003, **norm_cfg}, out_channels)[1]
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout()

    def forward(self, x: Sequence[Tensor]) -> list[Tensor]:
        """Project [[N, 2 * in_channels, H, W]] or [[N, 2 * in_channels]] to [[N, out_channels]].

        Raises:
            ArgumentError: The input has more than one entry.
        """
        h = whole_image(x, self)
        if self.with_avg_pool and h.ndim == 4:
            h = self.avgpool(h)
        return [self.dropout(self.relu(self.bn(self.fc(h.flatten(1)))))]
