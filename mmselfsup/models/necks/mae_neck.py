"""The decoder of MAE: He et al. 2022, "Masked Autoencoders Are Scalable Vision Learners", CVPR.

Letters: N images, L patches, K of them visible, D channels of the encoder, C of the decoder.
"""

from math import isqrt
from typing import Any

import torch
from mmcv.cnn import build_norm_layer
from mmcv.runner import BaseModule
from mmcv.runner.base_module import ModuleList
from torch import Tensor, nn

from mmselfsup.utils.errors import ArgumentError

from ..builder import NECKS
from ..utils.block_parts import run_block
from ..utils.masking import square_grid
from ..utils.position_embedding import (
    build_2d_sincos_position_embedding,
    resize_loaded_positions,
    resize_position_embedding,
)
from ..utils.transformer_blocks import TransformerEncoderLayer, init_linear_layers


@NECKS.register_module()
class MAEPretrainDecoder(BaseModule):
    """A narrow transformer that predicts the pixels of all patches from the visible ones.

    Args:
        num_patches: Usual number of patches, a square number; other grids work too, with
            interpolated positions.
        patch_size: Side of a patch in pixels.
        in_chans: Channels of the images.
        embed_dim: D.
        decoder_embed_dim: C.
        decoder_depth: Number of blocks.
        decoder_num_heads: Attention heads of a block.
        mlp_ratio: Hidden channels of a block's perceptron, as a multiple of C.
        norm_cfg: Config of the normalisations.
        with_cp: Whether to compute activations of blocks again in the backward pass.

    Raises:
        ArgumentError: ``num_patches`` is no square number.
    """

    def __init__(
        self,
        num_patches: int = 196,
        patch_size: int = 16,
        in_chans: int = 3,
        embed_dim: int = 1024,
        decoder_embed_dim: int = 512,
        decoder_depth: int = 8,
        decoder_num_heads: int = 16,
        mlp_ratio: float = 4.0,
        norm_cfg: dict = {"type": "LN", "eps": 1e-6},  # noqa: B006
        with_cp: bool = False,
    ) -> None:
        super().__init__()
        self.grid, self.with_cp = square_grid(num_patches), with_cp
        self.num_patches = num_patches
        self.decoder_embed = nn.Linear(embed_dim, decoder_embed_dim)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, decoder_embed_dim))
        self.decoder_pos_embed = nn.Parameter(
            build_2d_sincos_position_embedding(self.grid, decoder_embed_dim, cls_token=True),
            requires_grad=False,
        )
        self.decoder_blocks = ModuleList(
            TransformerEncoderLayer(
                decoder_embed_dim,
                decoder_num_heads,
                int(mlp_ratio * decoder_embed_dim),
                norm_cfg=norm_cfg,
            )
            for _ in range(decoder_depth)
        )
        # mmcv names a layer normalisation ``ln1``: 0.x's checkpoints have this name.
        self.decoder_norm_name, norm = build_norm_layer(norm_cfg, decoder_embed_dim, postfix=1)
        self.add_module(self.decoder_norm_name, norm)
        self.decoder_pred = nn.Linear(decoder_embed_dim, patch_size**2 * in_chans)
        self.register_load_state_dict_pre_hook(_resize_loaded_positions)

    @property
    def decoder_norm(self) -> nn.Module:
        """The normalisation after the last block."""
        return getattr(self, self.decoder_norm_name)

    def init_weights(self) -> None:
        """Draw the weights as the authors' code does: Xavier, a mask token of 0.02."""
        super().init_weights()
        init_linear_layers(self)
        nn.init.normal_(self.mask_token, std=0.02)

    def forward(
        self, x: Tensor, ids_restore: Tensor, resolution: tuple[int, int] | None = None
    ) -> Tensor:
        """Return the predicted pixels of all patches, [N, L, P*P*in_chans], P the patch's side.

        Args:
            x: Tokens of the encoder, class token first, [N, 1 + K, D].
            ids_restore: Place of each patch in the random order of the encoder, [N, L] (int64).
            resolution: Rows and columns of the grid of L patches; None means a square.

        Raises:
            ArgumentError: L is no square number, and ``resolution`` is None.
        """
        x = self.decoder_embed(x)  # [N, 1 + K, C]
        num_images, num_patches = ids_restore.shape
        num_hidden = num_patches - (x.shape[1] - 1)
        # Under autocast tokens may have another dtype than the parameter.
        hidden = self.mask_token.to(x.dtype).expand(num_images, num_hidden, -1)
        shuffled = torch.cat([x[:, 1:], hidden], dim=1)  # [N, L, C]
        patches = shuffled.gather(1, ids_restore[:, :, None].expand(-1, -1, x.shape[2]))
        x = torch.cat([x[:, :1], patches], dim=1) + self.positions(num_patches, resolution)
        for block in self.decoder_blocks:
            x = run_block(block, x, again=self.with_cp)
        return self.decoder_pred(self.decoder_norm(x))[:, 1:]

    def positions(self, num_patches: int, resolution: tuple[int, int] | None) -> Tensor:
        """Return the position embeddings [1, 1 + L, C] of a grid; see ``forward``."""
        if resolution is None:
            side = isqrt(num_patches)
            if side**2 != num_patches:
                raise ArgumentError(f"{num_patches} patches form no square: give resolution")
            resolution = (side, side)
        return resize_position_embedding(self.decoder_pos_embed, self.grid, resolution)


def _resize_loaded_positions(
    decoder: MAEPretrainDecoder, state_dict: dict[str, Tensor], prefix: str, *_: Any
) -> None:
    """Interpolate the position embeddings of a checkpoint for another image size, and log it."""
    name = f"{prefix}decoder_pos_embed"
    resize_loaded_positions(state_dict, name, decoder.decoder_pos_embed, decoder.grid)
