"""One stage of a ResNet, under the name and with the arguments of v0.5.0; the layers are mmcls's.

He et al. 2016, "Deep Residual Learning for Image Recognition", table 1: ``conv2_x`` to ``conv5_x``.
"""

from typing import Any

from mmcls.models.backbones.resnet import ResLayer as _ResLayer
from mmcls.models.backbones.resnet import get_expansion
from torch import nn


class ResLayer(_ResLayer):
    """A sequence of residual blocks: [N, inplanes, H, W] to [N, planes * expansion, H/S, W/S].

    S is ``stride``; the expansion is 4 for bottlenecks and 1 for basic blocks.

    Args:
        block: Class of the blocks, as in ``mmselfsup.models.backbones.resnet``.
        inplanes: Channels of the input.
        planes: Middle channels of the blocks.
        num_blocks: Number of blocks, at least 1.
        stride: Stride of the first block.
        avg_down: Replace the stride of the shortcut's convolution by average pooling.
        conv_cfg: Config of the convolutions.
        norm_cfg: Config of the normalisation layers.
        **kwargs: Other arguments of each block (``style``, ``with_cp``, ...).
    """

    def __init__(
        self,
        block: type[nn.Module],
        inplanes: int,
        planes: int,
        num_blocks: int,
        stride: int = 1,
        avg_down: bool = False,
        conv_cfg: dict | None = None,
        norm_cfg: dict = {"type": "BN"},  # noqa: B006
        **kwargs: Any,
    ) -> None:
        super().__init__(
            block,
            num_blocks,
            inplanes,
            planes * get_expansion(block),
            stride=stride,
            avg_down=avg_down,
            conv_cfg=conv_cfg,
            norm_cfg=norm_cfg,
            **kwargs,
        )
