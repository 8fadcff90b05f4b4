"""The regressor and the decoder of CAE: Chen et al. 2022, "Context Autoencoder for Self-Supervised
Representation Learning", section 3.

Letters: N images, M masked patches of an image, U visible patches,
C channels, V words of the tokenizer.
"""

from typing import Any

import torch
from mmcv.cnn import build_norm_layer
from mmcv.runner import BaseModule
from mmcv.runner.base_module import ModuleList
from torch import Tensor, nn

from ..builder import NECKS
from ..utils.block_parts import run_block
from ..utils.cae_blocks import CAETransformerRegressorLayer
from ..utils.transformer_blocks import (
    TransformerEncoderLayer,
    drop_path_rates,
    init_linear_layers,
)


@NECKS.register_module()
class CAENeck(BaseModule):
    """Prediction of the representations of masked patches, and of their visual words from these.

    Args:
        patch_size: Side of a patch in pixels; unused, as in 0.x.
        num_classes: V.
        embed_dims: C.
        regressor_depth: Blocks of the latent contextual regressor.
        decoder_depth: Blocks of the decoder.
        num_heads: Attention heads.
        mlp_ratio: Hidden channels of a perceptron, as a multiple of C.
        qkv_bias: Whether queries, keys and values have biases.
        qk_scale: Factor of the products of queries and keys; None for the usual one.
        drop_rate: Dropout after attention and in the perceptrons, 0 to 1.
        attn_drop_rate: Dropout of attention weights, 0 to 1.
        drop_path_rate: Stochastic depth of the last block, 0 to 1; it grows linearly from 0.
        norm_cfg: Config of the normalisations.
        init_values: Start of the trained factor of each channel of a branch; None for no factor.
        mask_tokens_num: Unused, as in 0.x: the number of masked patches is that of the mask.
        init_cfg: mmcv's initialization config.
        with_cp: Whether to compute activations of blocks again in the backward pass.
    """

    def __init__(
        self,
        patch_size: int = 16,
        num_classes: int = 8192,
        embed_dims: int = 768,
        regressor_depth: int = 6,
        decoder_depth: int = 8,
        num_heads: int = 12,
        mlp_ratio: int = 4,
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        norm_cfg: dict = {"type": "LN", "eps": 1e-6},  # noqa: B006
        init_values: float | None = None,
        mask_tokens_num: int = 75,
        init_cfg: dict | None = None,
        with_cp: bool = False,
    ) -> None:
        super().__init__(init_cfg)
        self.with_cp = with_cp
        common: dict[str, Any] = {
            "embed_dims": embed_dims,
            "num_heads": num_heads,
            "feedforward_channels": int(mlp_ratio * embed_dims),
            "qkv_bias": qkv_bias,
            "qk_scale": qk_scale,
            "drop_rate": drop_rate,
            "attn_drop_rate": attn_drop_rate,
            "norm_cfg": norm_cfg,
            "init_values": init_values,
        }
        self.regressors = ModuleList(
            CAETransformerRegressorLayer(drop_path_rate=rate, **common)
            for rate in drop_path_rates(drop_path_rate, regressor_depth)
        )
        self.decoders = ModuleList(
            TransformerEncoderLayer(drop_path_rate=rate, **common)
            for rate in drop_path_rates(drop_path_rate, decoder_depth)
        )
        self.norm_regressor = build_norm_layer(norm_cfg, embed_dims)[1]
        self.norm_decoder = build_norm_layer(norm_cfg, embed_dims)[1]
        self.head = nn.Linear(embed_dims, num_classes) if num_classes > 0 else nn.Identity()
        self.mask_token = nn.Parameter(torch.zeros(1, 1, embed_dims))

    def init_weights(self) -> None:
        """Draw all linear layers from Xavier's distribution, mask token and head with 0.02."""
        super().init_weights()
        init_linear_layers(self)
        nn.init.trunc_normal_(self.mask_token, std=0.02)
        if isinstance(self.head, nn.Linear):
            nn.init.trunc_normal_(self.head.weight, std=0.02)

    def forward(
        self, x_unmasked: Tensor, pos_embed_masked: Tensor, pos_embed_unmasked: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return scores of the words [N, M, V] and predicted representations [N, M, C].

        Args:
            x_unmasked: Tokens of the visible patches [N, U, C].
            pos_embed_masked: Position embeddings [N, M, C] of the masked patches.
            pos_embed_unmasked: Position embeddings [N, U, C] of the visible ones.
        """
        x_masked = self.mask_token.expand(pos_embed_masked.shape)  # [N, M, C]
        positions = torch.cat([pos_embed_unmasked, pos_embed_masked], dim=1)  # [N, U + M, C]
        for regressor in self.regressors:
            everything = torch.cat([x_unmasked, x_masked], dim=1)  # [N, U + M, C]
            inputs = (x_masked, everything, pos_embed_masked, positions)
            x_masked = run_block(regressor, *inputs, again=self.with_cp)
        latent = self.norm_regressor(x_masked)
        x_masked = latent + pos_embed_masked
        for decoder in self.decoders:
            x_masked = run_block(decoder, x_masked, again=self.with_cp)
        return self.head(self.norm_decoder(x_masked)), latent
