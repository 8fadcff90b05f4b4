"""Blocks of vision transformers: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", ICLR.

Letters: N images, L tokens, C channels, A attention heads.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmcv.cnn.bricks import DropPath
from mmcv.cnn.bricks.transformer import FFN
from mmcv.runner import BaseModule
from torch import Tensor, nn

from .attention import attention
from .block_parts import channels_of_a_head, layer_scale, scaled
from .cae_blocks import CAETransformerRegressorLayer, CrossMultiheadAttention
from .position_embedding import resize_loaded_biases, rows_and_columns

# The layers of CAE's regressor are imported from here as well, as in 0.x.
__all__ = [
    "CAETransformerRegressorLayer",
    "CrossMultiheadAttention",
    "MultiheadAttention",
    "MultiheadAttentionWithRPE",
    "TransformerEncoderLayer",
    "drop_path_rates",
    "init_linear_layers",
]


class MultiheadAttention(BaseModule):
    """Self-attention of all tokens.

    Args:
        embed_dims: C, channels of the output; a multiple of ``num_heads``.
        num_heads: A.
        input_dims: Channels of the input; None means ``embed_dims``.
        attn_drop: Dropout of attention weights, 0 to 1.
        proj_drop: Dropout after the output projection, 0 to 1.
        qkv_bias: True for one bias of queries, keys and values (``qkv.bias``); False for biases of
            queries and values only (``q_bias``, ``v_bias``), as BEiT (Bao et al. 2022) has them: a
            bias of keys changes no attention weight. This is what 0.x's configs mean by it. None
            for no bias.
        qk_scale: Factor of the products of queries and keys; None means (C / A) ** -0.5.
        proj_bias: Whether the output projection has a bias.
        init_cfg: mmcv's initialization config.

    Raises:
        ArgumentError: ``embed_dims`` is no multiple of ``num_heads``.
    """

    q_bias: nn.Parameter | None
    v_bias: nn.Parameter | None

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        input_dims: int | None = None,
        attn_drop: float = 0.0,
        proj_drop: float = 0.0,
        qkv_bias: bool | None = True,
        qk_scale: float | None = None,
        proj_bias: bool = True,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.embed_dims = embed_dims
        self.num_heads = num_heads
        self.head_dims = channels_of_a_head(embed_dims, num_heads)
        self.scale = qk_scale or self.head_dims**-0.5
        self.qkv = nn.Linear(input_dims or embed_dims, embed_dims * 3, bias=qkv_bias is True)
        if qkv_bias is False:
            self.q_bias = nn.Parameter(torch.zeros(embed_dims))  # [C]
            self.v_bias = nn.Parameter(torch.zeros(embed_dims))  # [C]
        else:
            self.q_bias = self.v_bias = None
        self.attn_drop = attn_drop
        self.proj = nn.Linear(embed_dims, embed_dims, bias=proj_bias)
        self.proj_drop = nn.Dropout(proj_drop)

    def attention_bias(self) -> Tensor | None:
        """Return what is added to the scaled products, [A, L, L], or None."""
        return None

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens [N, L, C] for tokens [N, L, C_in]."""
        if self.q_bias is None or self.v_bias is None:
            qkv = self.qkv(x)  # [N, L, 3*C]
        else:
            bias = torch.cat([self.q_bias, torch.zeros_like(self.v_bias), self.v_bias])  # [3*C]
            qkv = F.linear(x, self.qkv.weight, bias)  # [N, L, 3*C]
        q, k, v = qkv.unflatten(2, (3, self.num_heads, self.head_dims)).permute(2, 0, 3, 1, 4)
        attn_bias = self.attention_bias()
        x = attention(
            q,  # [N, A, L, C/A]
            k,
            v,
            self.scale,
            bias=None if attn_bias is None else attn_bias.to(q.dtype),
            dropout=self.attn_drop if self.training else 0.0,
        )
        x = x.transpose(1, 2).flatten(2)  # [N, L, C]
        return self.proj_drop(self.proj(x))


class MultiheadAttentionWithRPE(MultiheadAttention):
    """Self-attention with a trained bias for each relative position, as in BEiT (Bao et al. 2022).

    The class token is the first token; its relations to places have biases of their own.

    Args:
        embed_dims: See ``MultiheadAttention``.
        num_heads: See ``MultiheadAttention``.
        window_size: Rows and columns of the grid of places; a number stands for a square.
        qkv_bias: Whether queries and values have biases (``q_bias``, ``v_bias``); keys have none.
            ``MultiheadAttention`` means other things by it, here as in 0.x.
        **kwargs: Other arguments of ``MultiheadAttention``.
    """

    k_bias: None = None
    relative_position_index: Tensor

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        window_size: int | tuple[int, int],
        *,
        qkv_bias: bool | None = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(embed_dims, num_heads, qkv_bias=False if qkv_bias else None, **kwargs)
        rows, columns = rows_and_columns(window_size)
        self.window_size = (rows, columns)
        # The last three rows: class token to place, place to class token, class token to itself.
        num_relations = (2 * rows - 1) * (2 * columns - 1) + 3
        self.relative_position_bias_table = nn.Parameter(torch.zeros(num_relations, num_heads))
        self.register_buffer("relative_position_index", _relations(rows, columns))  # [L, L]
        self.register_load_state_dict_pre_hook(_split_loaded_bias)
        self.register_load_state_dict_pre_hook(_resize_loaded_biases)

    def init_weights(self) -> None:
        """Draw the biases from a normal distribution with a standard deviation of 0.02."""
        super().init_weights()
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def attention_bias(self) -> Tensor:
        """Return the bias of each pair of tokens, [A, L, L]."""
        return self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)


def _split_loaded_bias(
    attention: MultiheadAttentionWithRPE, state_dict: dict[str, Tensor], prefix: str, *_: Any
) -> None:
    """Take the biases of queries and values from one of all three; that of keys changes nothing."""
    whole = f"{prefix}qkv.bias"
    if attention.q_bias is not None and whole in state_dict:
        queries, _keys, values = state_dict.pop(whole).chunk(3)
        state_dict.setdefault(f"{prefix}q_bias", queries)
        state_dict.setdefault(f"{prefix}v_bias", values)


def _resize_loaded_biases(
    attention: MultiheadAttentionWithRPE, state_dict: dict[str, Tensor], prefix: str, *_: Any
) -> None:
    """Interpolate the biases of a checkpoint for another grid, whose index is then another one."""
    table = attention.relative_position_bias_table
    resize_loaded_biases(state_dict, f"{prefix}relative_position_bias_table", table)
    index = f"{prefix}relative_position_index"
    if index in state_dict and state_dict[index].shape != attention.relative_position_index.shape:
        state_dict[index] = attention.relative_position_index


def _relations(rows: int, columns: int) -> Tensor:
    """Return which relative position each pair of tokens has (int64 [L, L], class token first)."""
    place = torch.stack(
        torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    ).flatten(1)  # [2, rows*columns]
    offset = place[:, :, None] - place[:, None]  # [2, L-1, L-1]
    relation = (offset[0] + rows - 1) * (2 * columns - 1) + offset[1] + columns - 1
    index = torch.empty((rows * columns + 1,) * 2, dtype=torch.int64)  # [L, L]
    num_offsets = (2 * rows - 1) * (2 * columns - 1)
    index[1:, 1:] = relation
    index[0, 1:] = num_offsets
    index[1:, 0] = num_offsets + 1
    index[0, 0] = num_offsets + 2
    return index


class TransformerEncoderLayer(BaseModule):
    """A block of attention and a two-layer perceptron, each after a normalisation, with shortcuts.

    Args:
        embed_dims: C.
        num_heads: A.
        feedforward_channels: Hidden channels of the perceptron.
        window_size: Rows and columns of the grid for relative positions; None for none of them.
        drop_rate: Dropout after attention and in the perceptron, 0 to 1.
        attn_drop_rate: Dropout of attention weights, 0 to 1.
        drop_path_rate: Probability that an image skips a branch (stochastic depth), 0 to 1.
        num_fcs: Linear layers of the perceptron.
        qkv_bias: See ``MultiheadAttention``, and with a ``window_size``
            ``MultiheadAttentionWithRPE``.
        act_cfg: Config of the activation.
        norm_cfg: Config of the normalisations.
        init_values: Start of the trained factor of each channel of a branch (LayerScale, Touvron et
            al. 2021); 0 for no factor.
        init_cfg: mmcv's initialization config.
        qk_scale: See ``MultiheadAttention``.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        feedforward_channels: int,
        window_size: int | tuple[int, int] | None = None,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        num_fcs: int = 2,
        qkv_bias: bool | None = True,
        act_cfg: dict = {"type": "GELU"},  # noqa: B006
        norm_cfg: dict = {"type": "LN"},  # noqa: B006
        init_values: float | None = 0.0,
        init_cfg: dict | None = None,
        qk_scale: float | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.embed_dims = embed_dims
        # mmcv names a layer normalisation ``ln1``: 0.x's checkpoints have these names.
        self.norm1_name, norm1 = build_norm_layer(norm_cfg, embed_dims, postfix=1)
        self.add_module(self.norm1_name, norm1)
        attention: dict[str, Any] = {
            "attn_drop": attn_drop_rate,
            "proj_drop": drop_rate,
            "qkv_bias": qkv_bias,
            "qk_scale": qk_scale,
        }
        self.attn = (
            MultiheadAttention(embed_dims, num_heads, **attention)
            if window_size is None
            else MultiheadAttentionWithRPE(embed_dims, num_heads, window_size, **attention)
        )
        self.drop_path = DropPath(drop_path_rate) if drop_path_rate else nn.Identity()
        self.norm2_name, norm2 = build_norm_layer(norm_cfg, embed_dims, postfix=2)
        self.add_module(self.norm2_name, norm2)
        self.ffn = FFN(
            embed_dims=embed_dims,
            feedforward_channels=feedforward_channels,
            num_fcs=num_fcs,
            ffn_drop=drop_rate,
            act_cfg=act_cfg,
            add_identity=False,
        )
        self.gamma_1 = layer_scale(embed_dims, init_values)
        self.gamma_2 = layer_scale(embed_dims, init_values)

    @property
    def norm1(self) -> nn.Module:
        """The normalisation before attention."""
        return getattr(self, self.norm1_name)

    @property
    def norm2(self) -> nn.Module:
        """The normalisation before the perceptron."""
        return getattr(self, self.norm2_name)

    def init_weights(self) -> None:
        """Draw the perceptron as ViT does: Xavier weights, biases near zero."""
        super().init_weights()
        for module in self.ffn.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.normal_(module.bias, std=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens [N, L, C] for tokens [N, L, C]."""
        x = x + self.drop_path(scaled(self.attn(self.norm1(x)), self.gamma_1))
        return x + self.drop_path(scaled(self.ffn(self.norm2(x)), self.gamma_2))


def init_linear_layers(module: nn.Module) -> None:
    """Draw all linear layers as the authors of MAE do: Xavier weights, biases of zero.

    The weights of queries, keys and values are one matrix here.
    """
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def drop_path_rates(last: float, depth: int) -> list[float]:
    """Return the stochastic depth of each of ``depth`` blocks, which grows linearly from 0."""
    # Not torch's: a model may be built on the meta device, whose tensors have no values.
    return np.linspace(0, last, depth).tolist()
