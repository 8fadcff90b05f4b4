"""The projection of DINO, its "head": Caron et al. 2021, "Emerging Properties in Self-Supervised
Vision Transformers", section 3.1 and appendix C.

Letters: M inputs, C width of the features, D width of the bottleneck, K outputs.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch.nn.functional as F
from mmcv.runner import BaseModule
from torch import Tensor, nn

from mmselfsup.utils.errors import ArgumentError

from ..builder import NECKS
from ..utils import full_precision, only_feature, pooled
from ..utils.multi_prototypes import UnitRows

_INIT = {"type": "TruncNormal", "layer": "Linear", "std": 0.02, "bias": 0.0}


@NECKS.register_module()
class DINONeck(BaseModule):
    """An MLP with GELU, a bottleneck of unit length, and a weight-normalised linear layer.

    It has no batch normalisation. ``optimizer_config.frozen_layers_cfg=dict(last_layer=n)`` keeps
    the last layer as it is in the first n iterations, as the paper does in the first epoch.

    Args:
        in_channels: C.
        hid_channels: Width of the hidden layers.
        bottleneck_channels: D.
        out_channels: K.
        num_layers: Linear layers up to the bottleneck, at least 1.
        init_cfg: How weights are initialised, in mmcv's format; the last layer has torch's default.

    Raises:
        ArgumentError: ``num_layers`` is below 1.
    """

    def __init__(
        self,
        in_channels: int,
        hid_channels: int = 2048,
        bottleneck_channels: int = 256,
        out_channels: int = 65536,
        num_layers: int = 3,
        init_cfg: dict | list[dict] | None = _INIT,
    ) -> None:
        super().__init__(init_cfg)
        if num_layers < 1:
            raise ArgumentError(f"num_layers must be from 1, got {num_layers}")
        widths = [in_channels, *[hid_channels] * (num_layers - 1), bottleneck_channels]
        layers: list[nn.Module] = []
        for width, following in pairwise(widths):
            layers += [nn.Linear(width, following), nn.GELU()]
        self.mlp = nn.Sequential(*layers[:-1])
        self.last_layer = UnitRows(bottleneck_channels, out_channels)

    def forward(self, x: Sequence[Any]) -> list[Tensor]:
        """Return the scores [[M, K]], float32, cosines in -1..1.

        Args:
            x: The features of one stage, in any format of a backbone, or vectors [[M, C]]. Of a
                transformer the class token is used, of a map the mean.

        Raises:
            ArgumentError: The backbone gave more than one entry.
        """
        return [self.scores(self.mlp(pooled(only_feature(x, self))))]

    @full_precision
    def scores(self, h: Tensor) -> Tensor:
        """Return the scores [M, K] of the outputs [M, D] of the MLP."""
        return self.last_layer(F.normalize(h, dim=1))
