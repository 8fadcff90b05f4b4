"""ResNet whose outputs are numbered from the stem: 0 the stem, 1 to 4 the stages.

He et al. 2016, "Deep Residual Learning for Image Recognition"; the layers are mmcls's.
Letters: N batch, C channels of stage i, H and W size of the image.
"""

from collections.abc import Sequence
from typing import Any

from mmcls.models.backbones import ResNet as _ResNet
from mmcls.models.backbones.resnet import BasicBlock, Bottleneck
from torch import Tensor, nn

from mmselfsup.utils.batch_norm import count_batches_once
from mmselfsup.utils.errors import ArgumentError, UnknownNameError

from ..builder import BACKBONES, CONV_INIT

# The blocks are mmcls's; code written for 0.x imports them from here.
__all__ = ["BasicBlock", "Bottleneck", "ResNet", "ResNetV1d"]


@BACKBONES.register_module()
class ResNet(_ResNet):
    """ResNet of depth 18, 34, 50, 101 or 152.

    Args:
        depth: Number of layers.
        in_channels: Channels of the image.
        stem_channels: Channels of the stem; None takes ``base_channels``.
        base_channels: Middle channels of the first stage, doubled by every stage.
        expansion: Output channels of a block over its middle channels; None is 1 or 4 by depth.
        num_stages: Number of stages, 1 to 4.
        strides: Stride of the first block of each stage.
        dilations: Dilation of each stage.
        out_indices: Which outputs to return: 0 the stem before its max pooling, 1 .. num_stages.
        style: ``'pytorch'`` has the stride in the 3x3 convolution of a bottleneck, ``'caffe'`` in
            the first 1x1.
        deep_stem: Replace the 7x7 convolution of the stem by three 3x3 convolutions.
        avg_down: Replace the stride of the shortcut's convolution by average pooling.
        frozen_stages: -1 trains everything, 0 freezes the stem, i the stem and stages 1 .. i;
            frozen layers stay in eval mode.
        conv_cfg: Config of the convolutions.
        norm_cfg: Config of the normalisation layers.
        norm_eval: Whether all normalisation layers stay in eval mode, so that their running
            statistics don't change.
        with_cp: Recompute activations in the backward pass to save memory.
        zero_init_residual: Start every block as the identity.
        init_cfg: How weights are initialised, in mmcv's format.
        drop_path_rate: Probability of skipping a block for a sample, 0 to 1, equal for all blocks.
        **kwargs: Other arguments of mmcls's ResNet.

    Raises:
        ArgumentError: An unknown depth (also a ``KeyError``), or an output or a stage to
            freeze that does not exist.
    """

    def __init__(
        self,
        depth: int,
        in_channels: int = 3,
        stem_channels: int | None = 64,
        base_channels: int = 64,
        expansion: int | None = None,
        num_stages: int = 4,
        strides: Sequence[int] = (1, 2, 2, 2),
        dilations: Sequence[int] = (1, 1, 1, 1),
        out_indices: int | Sequence[int] = (4,),
        style: str = "pytorch",
        deep_stem: bool = False,
        avg_down: bool = False,
        frozen_stages: int = -1,
        conv_cfg: dict | None = None,
        norm_cfg: dict = {"type": "BN", "requires_grad": True},  # noqa: B006
        norm_eval: bool = False,
        with_cp: bool = False,
        zero_init_residual: bool = False,
        init_cfg: dict | list[dict] | None = CONV_INIT,
        drop_path_rate: float = 0.0,
        **kwargs: Any,
    ) -> None:
        out_indices = (out_indices,) if isinstance(out_indices, int) else tuple(out_indices)
        self._check(depth, num_stages, out_indices, frozen_stages)
        super().__init__(
            depth=depth,
            in_channels=in_channels,
            stem_channels=base_channels if stem_channels is None else stem_channels,
            base_channels=base_channels,
            expansion=expansion,
            num_stages=num_stages,
            strides=strides,
            dilations=dilations,
            out_indices=(0,),  # mmcls numbers the stages from 0; ours are set below
            style=style,
            deep_stem=deep_stem,
            avg_down=avg_down,
            frozen_stages=frozen_stages,
            conv_cfg=conv_cfg,
            norm_cfg=norm_cfg,
            norm_eval=norm_eval,
            with_cp=with_cp,
            zero_init_residual=zero_init_residual,
            init_cfg=init_cfg,
            drop_path_rate=drop_path_rate,
            **kwargs,
        )
        self.out_indices = out_indices

    def make_res_layer(self, **kwargs: Any) -> nn.Module:
        """Return a stage; ``with_cp`` counts each batch once in its normalisations."""
        layer: nn.Module = super().make_res_layer(**kwargs)
        if kwargs.get("with_cp"):
            count_batches_once(layer)
        return layer

    @classmethod
    def _check(
        cls, depth: int, num_stages: int, out_indices: Sequence[int], frozen_stages: int
    ) -> None:
        """Check that depth, outputs and the stages to freeze exist."""
        if frozen_stages > num_stages:
            raise ArgumentError(f"frozen_stages={frozen_stages}, and there are {num_stages} stages")
        if depth not in cls.arch_settings:
            known = sorted(cls.arch_settings)
            raise UnknownNameError(f"depth must be one of {known}, got {depth}")
        if not out_indices or any(not 0 <= i <= num_stages for i in out_indices):
            raise ArgumentError(
                f"out_indices must lie in 0..{num_stages}, got {tuple(out_indices)}"
            )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs of ``out_indices``, in ascending order.

        Args:
            x: Images [N, in_channels, H, W].

        Returns:
            [N, C0, H/2, W/2] for output 0, [N, Ci, H/2^(i+1), W/2^(i+1)] for stage i with the
            default strides; sizes are rounded up.
        """
        x = self.stem(x) if self.deep_stem else self.relu(self.norm1(self.conv1(x)))
        outs = [x] if 0 in self.out_indices else []  # [N, C0, H/2, W/2]
        x = self.maxpool(x)  # [N, C0, H/4, W/4]
        # Stages after the last output are not computed.
        for i, name in enumerate(self.res_layers[: max(self.out_indices)], start=1):
            x = getattr(self, name)(x)  # [N, Ci, H/2^(i+1), W/2^(i+1)]
            if i in self.out_indices:
                outs.append(x)
        return tuple(outs)

    def train(self, mode: bool = True) -> "ResNet":
        """Switch to train or eval mode; frozen layers stay in eval mode."""
        super().train(mode)  # mmcls's method returns None instead of self
        return self


@BACKBONES.register_module()
class ResNetV1d(ResNet):
    """ResNet-D of He et al. 2019, "Bag of Tricks": a deep stem and average pooling in shortcuts.

    Args:
        **kwargs: Arguments of ``ResNet`` except ``deep_stem`` and ``avg_down``.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(deep_stem=True, avg_down=True, **kwargs)
