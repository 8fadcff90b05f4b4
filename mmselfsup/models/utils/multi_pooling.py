"""Pooling of all stages of a ResNet-50 to about 9,000 numbers each.

Letters: N batch, C_i channels, H_i, W_i size of output i, G_i side of its grid after pooling.
"""

from collections.abc import Sequence
from typing import ClassVar

from mmcv.runner import BaseModule
from torch import Tensor, nn

from mmselfsup.utils.errors import ArgumentError

_CHANNELS = (64, 256, 512, 1024, 2048)
_GRIDS = (12, 6, 4, 3, 2)


class MultiPooling(BaseModule):
    """Average pooling of each stage to a grid, so that linear probes of all stages are comparable.

    The sizes are those of Goyal et al. 2019, "Scaling and Benchmarking Self-Supervised Visual
    Representation Learning", for the stem and the four stages of a ResNet-50.

    Args:
        pool_type: ``'specified'`` uses the kernels for images of 224 pixels, ``'adaptive'`` reaches
            the same grids (12, 6, 4, 3, 2) for images of any size.
        in_indices: The outputs of the backbone to pool: 0 the stem, 1 to 4 the stages.
        backbone: Only ``'resnet50'`` is supported.

    Raises:
        ArgumentError: An argument has another value.
    """

    CHANNELS: ClassVar[dict[str, tuple[int, ...]]] = {"resnet50": _CHANNELS}
    POOL_PARAMS: ClassVar[dict[str, list[dict[str, int]]]] = {
        "resnet50": [
            {"kernel_size": 10, "stride": 10, "padding": 4},
            {"kernel_size": 16, "stride": 8, "padding": 0},
            {"kernel_size": 13, "stride": 5, "padding": 0},
            {"kernel_size": 8, "stride": 3, "padding": 0},
            {"kernel_size": 6, "stride": 1, "padding": 0},
        ]
    }
    POOL_SIZES: ClassVar[dict[str, list[int]]] = {"resnet50": list(_GRIDS)}
    POOL_DIMS: ClassVar[dict[str, list[int]]] = {
        "resnet50": [c * g * g for c, g in zip(_CHANNELS, _GRIDS, strict=True)]
    }

    def __init__(
        self,
        pool_type: str = "adaptive",
        in_indices: Sequence[int] = (0,),
        backbone: str = "resnet50",
    ) -> None:
        super().__init__()
        if backbone not in self.POOL_PARAMS:
            raise ArgumentError(
                f"backbone must be one of {sorted(self.POOL_PARAMS)}, got {backbone!r}"
            )
        if pool_type not in ("adaptive", "specified"):
            raise ArgumentError(f"pool_type must be 'adaptive' or 'specified', got {pool_type!r}")
        if any(not 0 <= i < len(_GRIDS) for i in in_indices):
            raise ArgumentError(f"in_indices must lie in 0..4, got {tuple(in_indices)}")
        self.pools = nn.ModuleList(
            nn.AdaptiveAvgPool2d(self.POOL_SIZES[backbone][i])
            if pool_type == "adaptive"
            else nn.AvgPool2d(**self.POOL_PARAMS[backbone][i])  # type: ignore[arg-type]
            for i in in_indices
        )

    def forward(self, x: Sequence[Tensor]) -> list[Tensor]:
        """Pool each [N, C_i, H_i, W_i] to [N, C_i, G_i, G_i].

        Raises:
            ArgumentError: The number of feature maps is not that of ``in_indices``.
        """
        if len(x) != len(self.pools):
            raise ArgumentError(
                f"in_indices names {len(self.pools)} stages, the backbone gave {len(x)}: make its "
                "out_indices the same"
            )
        return [pool(xx) for pool, xx in zip(self.pools, x, strict=True)]
