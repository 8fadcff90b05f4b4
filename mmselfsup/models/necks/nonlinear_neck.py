"""A multi-layer perceptron with batch normalisation.

It is the projection of SimCLR (Chen et al. 2020, section 4.2), BYOL and SimSiam, and the predictor
of the last two. Letters: N batch, H, W size of a feature map.
"""

from collections.abc import Sequence
from typing import Any

from mmcv.cnn import build_norm_layer
from mmcv.runner import BaseModule
from torch import Tensor, nn

from mmselfsup.utils.errors import ArgumentError

from ..builder import NECKS, NORM_INIT
from ..utils import whole_image


@NECKS.register_module()
class NonLinearNeck(BaseModule):
    """``num_layers`` linear layers with normalisation and ReLU: fc-bn-relu-...-fc-bn.

    Args:
        in_channels: Width of the features.
        hid_channels: Width of the hidden layers.
        out_channels: Width of the projection. With ``num_layers=1`` the only layer is the first
            one, so the projection has ``hid_channels``.
        num_layers: Number of linear layers, at least 1.
        with_bias: Whether all linear layers but the last have a bias.
        with_last_bn: Whether the last linear layer is followed by normalisation.
        with_last_bn_affine: Whether that normalisation has weight and bias.
        with_last_bias: Whether the last linear layer has a bias.
        with_avg_pool: Average-pool feature maps first; False takes vectors.
        vit_backbone: An option of 0.x without effect: the class token of a vision transformer is
            used in any case.
        norm_cfg: Config of the normalisation.
        init_cfg: How weights are initialised, in mmcv's format.

    Attributes:
        fc_names: Names of the linear layers after ``fc0``, as in 0.x.
        bn_names: Names of the normalisation layers after ``bn0``, as in 0.x.

    Raises:
        ArgumentError: ``num_layers`` is below 1.
    """

    def __init__(
        self,
        in_channels: int,
        hid_channels: int,
        out_channels: int,
        num_layers: int = 2,
        with_bias: bool = False,
        with_last_bn: bool = True,
        with_last_bn_affine: bool = True,
        with_last_bias: bool = False,
        with_avg_pool: bool = True,
        vit_backbone: bool = False,
        norm_cfg: dict = {"type": "SyncBN"},  # noqa: B006
        init_cfg: dict | list[dict] | None = NORM_INIT,
    ) -> None:
        super().__init__(init_cfg)
        if num_layers < 1:
            raise ArgumentError(f"num_layers must be at least 1, got {num_layers}")
        self.num_layers = num_layers
        self.with_avg_pool = with_avg_pool
        self.vit_backbone = vit_backbone
        if with_avg_pool:
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.relu = nn.ReLU(inplace=True)
        # ``fc0``, ``bn0``, ``fc1`` ... are the state dict names of 0.x's checkpoints.
        self.fc0 = nn.Linear(in_channels, hid_channels, bias=with_bias)
        self.bn0 = build_norm_layer(norm_cfg, hid_channels)[1]
        self.fc_names: list[str] = []
        self.bn_names: list[str] = []
        for i in range(1, num_layers):
            last = i == num_layers - 1
            width = out_channels if last else hid_channels
            bias = with_last_bias if last else with_bias
            self.add_module(f"fc{i}", nn.Linear(hid_channels, width, bias=bias))
            self.fc_names.append(f"fc{i}")
            if not last or with_last_bn:
                cfg = {**norm_cfg, "affine": with_last_bn_affine} if last else norm_cfg
                self.add_module(f"bn{i}", build_norm_layer(cfg, width)[1])
                self.bn_names.append(f"bn{i}")

    def forward(self, x: Sequence[Any]) -> list[Tensor]:
        """Project [[N, in_channels, H, W]] or [[N, in_channels]] to [[N, out_channels]].

        Raises:
            ArgumentError: The backbone gave more than one entry.
        """
        h = whole_image(x, self)
        if self.with_avg_pool and h.ndim == 4:
            h = self.avgpool(h)
        h = self.bn0(self.fc0(h.flatten(1)))  # [N, hid_channels]
        for i in range(1, self.num_layers):
            h = getattr(self, f"fc{i}")(self.relu(h))
            if hasattr(self, f"bn{i}"):
                h = getattr(self, f"bn{i}")(h)
        return [h]
