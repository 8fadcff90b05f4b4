"""The decoder of SparK: Tian et al. 2023, "Designing BERT for Convolutional Networks: Sparse and
Hierarchical Masked Modeling", ICLR.

Letters: N images, S scales of features, C channels, H, W size of an image, P side of a patch.
"""

from collections.abc import Sequence
from math import log2

import torch
from mmcv.runner import BaseModule
from mmcv.runner.base_module import ModuleList
from torch import Tensor, nn

from mmselfsup.utils.errors import ArgumentError

from ..builder import NECKS
from ..utils.sync_bn import SyncBatchNorm
from ..utils.visible_places import VisiblePlaces, fill_hidden


@NECKS.register_module()
class SparKDecoder(BaseModule):
    """A light UNet that predicts images from the features of visible places at several scales.

    At each scale hidden places get a trained vector, the mask embedding. From the coarsest scale on
    each block doubles the size and halves the channels, and the features of that size are added
    before it.

    Args:
        in_channels: Channels of the S maps, from the finest to the coarsest, each half as large as
            the one before; the coarsest has a place for each patch.
        patch_size: P, a power of 2, the stride of the coarsest map; there are log2(P) blocks.
        width: Channels of the first block, a multiple of P.
        out_channels: Channels of the images.

    Raises:
        ArgumentError: ``patch_size`` or ``width`` doesn't fit.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        patch_size: int = 32,
        width: int = 512,
        out_channels: int = 3,
    ) -> None:
        super().__init__()
        depth = int(log2(patch_size))
        if patch_size < 2 or 2**depth != patch_size or width % patch_size:
            raise ArgumentError(
                f"patch_size must be a power of 2 and width a multiple of it, got {patch_size} and "
                f"{width}"
            )
        if not 1 <= len(in_channels) <= depth:
            raise ArgumentError(
                f"in_channels must name 1 to {depth} scales for patches of {patch_size} pixels, "
                f"got {list(in_channels)}"
            )
        self.visible = VisiblePlaces()
        coarse_first = list(in_channels)[::-1]
        self.norms = ModuleList(SyncBatchNorm(channels) for channels in coarse_first)
        for norm in self.norms:
            norm.visible = self.visible
        self.mask_tokens = nn.ParameterList(
            nn.Parameter(torch.zeros(1, channels, 1, 1)) for channels in coarse_first
        )
        self.projections = ModuleList(
            nn.Conv2d(channels, width // 2**i, 3 if i else 1, padding=1 if i else 0)
            for i, channels in enumerate(coarse_first)
        )
        self.blocks = ModuleList(_block(width // 2**i) for i in range(depth))
        self.to_pixels = nn.Conv2d(width // 2**depth, out_channels, 1)

    def init_weights(self) -> None:
        """Draw mask embeddings and weights from normal distributions, cut at two sigma."""
        super().init_weights()
        for token in self.mask_tokens:
            nn.init.trunc_normal_(token, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, features: Sequence[Tensor], visible: Tensor) -> Tensor:
        """Return predicted images [N, out_channels, H, W].

        Args:
            features: S maps [N, C, rows, columns], from the finest to the coarsest, 0 at hidden
                places.
            visible: 1 for visible patches, 0 for hidden ones, [N, 1, H/P, W/P].

        Raises:
            ArgumentError: The number of maps is not S, or a map is not twice as large as the next.
        """
        coarse_first = list(features)[::-1]
        if len(coarse_first) != len(self.norms):
            raise ArgumentError(
                f"SparKDecoder has in_channels for {len(self.norms)} scales, got "
                f"{len(coarse_first)} maps: give the backbone as many out_indices"
            )
        dense = []
        with self.visible.only(visible):
            for feature, norm, token in zip(
                coarse_first, self.norms, self.mask_tokens, strict=True
            ):
                mask = self.visible.at(feature)
                dense.append(fill_hidden(norm(feature), mask, token))
        x = self.projections[0](dense[0])
        for i, block in enumerate(self.blocks):
            if 0 < i < len(dense):
                _check_size(dense[i], x)
                x = x + self.projections[i](dense[i])
            x = block(x)
        return self.to_pixels(x)


def _block(channels: int) -> nn.Sequential:
    """Return a block that doubles the size of a map and halves its channels."""
    return nn.Sequential(
        nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1),
        nn.Conv2d(channels, channels, 3, padding=1, bias=False),
        SyncBatchNorm(channels),
        nn.ReLU6(inplace=True),
        nn.Conv2d(channels, channels // 2, 3, padding=1, bias=False),
        SyncBatchNorm(channels // 2),
    )


def _check_size(feature: Tensor, x: Tensor) -> None:
    """Check that features have the size of the map that they are added to."""
    if feature.shape[-2:] != x.shape[-2:]:
        raise ArgumentError(
            f"features of {list(feature.shape[-2:])} where {list(x.shape[-2:])} are expected: each "
            "of the backbone's out_indices must be twice as large as the next one"
        )
