"""The projection of SwAV (Caron et al. 2020).

Letters: M images of one size (all views of that size), H, W size of a feature map, D width of a
projection.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmcv.runner import BaseModule
from torch import Tensor, nn

from ..builder import NECKS, NORM_INIT
from ..utils import whole_image
from ..utils.precision import to_float32


@NECKS.register_module()
class SwAVNeck(BaseModule):
    """Average pooling, fc-bn-relu-fc, and normalisation to unit length.

    Args:
        in_channels: Width of the features.
        hid_channels: Width of the hidden layer; 0 makes a single linear layer.
        out_channels: D; 0 makes no projection.
        with_avg_pool: Average-pool feature maps first; False takes vectors.
        with_l2norm: Whether to scale every projection to unit length, in float32.
        norm_cfg: Config of the normalisation.
        init_cfg: How weights are initialised, in mmcv's format.

    Attributes:
        takes_sizes: It takes a list of the backbone's outputs, one for each size of views.
    """

    takes_sizes = True

    def __init__(
        self,
        in_channels: int,
        hid_channels: int,
        out_channels: int,
        with_avg_pool: bool = True,
        with_l2norm: bool = True,
        norm_cfg: dict = {"type": "SyncBN"},  # noqa: B006
        init_cfg: dict | list[dict] | None = NORM_INIT,
    ) -> None:
        super().__init__(init_cfg)
        self.with_avg_pool, self.with_l2norm = with_avg_pool, with_l2norm
        if with_avg_pool:
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.projection_neck: nn.Module | None = None
        if out_channels and not hid_channels:
            self.projection_neck = nn.Linear(in_channels, out_channels)
        elif out_channels:
            # 0.x's checkpoints contain the normalisation under two names, ``bn`` and
            # ``projection_neck.1``.
            self.bn = build_norm_layer(norm_cfg, hid_channels)[1]
            self.projection_neck = nn.Sequential(
                nn.Linear(in_channels, hid_channels),
                self.bn,
                nn.ReLU(inplace=True),
                nn.Linear(hid_channels, out_channels),
            )

    def forward(self, x: Sequence[Any]) -> list[Tensor]:
        """Project the features of views of all sizes.

        Args:
            x: For each size of views the backbone's output, [[M, in_channels, H, W]] or
                [[M, in_channels]]; a plain list of tensors is accepted too.

        Returns:
            [[sum of M, D]], in the order of ``x``.

        Raises:
            ArgumentError: The backbone gave more than one entry for a size.
        """
        maps = [whole_image(part, self) for part in x]
        if self.with_avg_pool:
            maps = [self.avgpool(m) if m.ndim == 4 else m for m in maps]
        h = torch.cat([m.flatten(1) for m in maps])  # [sum of M, in_channels]
        if self.projection_neck is not None:
            h = self.projection_neck(h)
        return [F.normalize(to_float32(h), dim=1) if self.with_l2norm else h]
