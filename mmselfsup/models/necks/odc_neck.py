"""The neck of ODC (Zhan et al. 2020). Letters: N batch, H, W size of a feature map."""

from collections.abc import Sequence

from mmcv.cnn import build_norm_layer
from mmcv.runner import BaseModule
from torch import Tensor, nn

from ..builder import NECKS, NORM_INIT
from ..utils import whole_image


@NECKS.register_module()
class ODCNeck(BaseModule):
    """Two linear layers: fc-bn-relu-dropout-fc-relu, with a dropout probability of 0.5.

    The normalisation has no weight and no bias. Its running statistics have a momentum of 0.001, so
    they average over about a thousand iterations.

    Args:
        in_channels: Width of the features.
        hid_channels: Width of the hidden layer.
        out_channels: Width of the projection.
        with_avg_pool: Average-pool feature maps first; False takes vectors.
        norm_cfg: Config of the normalisation.
        init_cfg: How weights are initialised, in mmcv's format.
    """

    def __init__(
        self,
        in_channels: int,
        hid_channels: int,
        out_channels: int,
        with_avg_pool: bool = True,
        norm_cfg: dict = {"type": "SyncBN"},  # noqa: B006
        init_cfg: dict | list[dict] | None = NORM_INIT,
    ) -> None:
        super().__init__(init_cfg)
        self.with_avg_pool = with_avg_pool
        if with_avg_pool:
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc0 = nn.Linear(in_channels, hid_channels)
        norm = {**norm_cfg, "momentum": 0.001, "affine": False}
        self.bn0 = build_norm_layer(norm, hid_channels)[1]
        self.fc1 = nn.Linear(hid_channels, out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout()

    def forward(self, x: Sequence[Tensor]) -> list[Tensor]:
        """Project [[N, in_channels, H, W]] or [[N, in_channels]] to [[N, out_channels]].

        Raises:
            ArgumentError: The backbone gave more than one entry.
        """
        h = whole_image(x, self)
        if self.with_avg_pool and h.ndim == 4:
            h = self.avgpool(h)
        h = self.relu(self.bn0(self.fc0(h.flatten(1))))  # [N, hid_channels]
        return [self.relu(self.fc1(self.dropout(h)))]
