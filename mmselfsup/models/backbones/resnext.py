"""ResNeXt: Xie et al. 2017, "Aggregated Residual Transformations for Deep Neural Networks"."""

from typing import Any

from mmcls.models.backbones import ResNeXt as _ResNeXt
from mmcls.models.backbones.resnext import Bottleneck
from torch import nn

from ..builder import BACKBONES
from .resnet import ResNet

__all__ = ["Bottleneck", "ResNeXt"]  # the block is mmcls's, imported from here by code for 0.x


@BACKBONES.register_module()
class ResNeXt(ResNet):
    """ResNet with grouped 3x3 convolutions, of depth 50, 101 or 152.

    Args:
        depth: Number of layers.
        groups: Number of groups of the 3x3 convolutions.
        width_per_group: Channels of a group in the first stage.
        **kwargs: Arguments of ``ResNet``.

    Raises:
        ArgumentError: See ``ResNet``.
    """

    arch_settings = _ResNeXt.arch_settings

    def __init__(
        self, depth: int, groups: int = 32, width_per_group: int = 4, **kwargs: Any
    ) -> None:
        # Set before the base constructor, which builds the stages from them.
        self.groups = groups
        self.width_per_group = width_per_group
        super().__init__(depth, **kwargs)

    def make_res_layer(self, **kwargs: Any) -> nn.Module:
        """Build a stage; mmcls's ResNet calls this."""
        return super().make_res_layer(
            groups=self.groups,
            width_per_group=self.width_per_group,
            base_channels=self.base_channels,
            **kwargs,
        )
