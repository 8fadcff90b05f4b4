"""The blocks of CAE's regressor: Chen et al. 2022, "Context Autoencoder for Self-Supervised
Representation Learning", section 3.

Letters: N images, Q queries, K keys, C channels, A attention heads.
"""

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmcv.cnn.bricks import DropPath
from mmcv.cnn.bricks.transformer import FFN
from mmcv.runner import BaseModule
from torch import Tensor, nn

from .attention import attention
from .block_parts import channels_of_a_head, layer_scale, scaled


class CrossMultiheadAttention(BaseModule):
    """Attention of queries to other tokens.

    Args:
        embed_dims: C, a multiple of ``num_heads``.
        num_heads: A.
        qkv_bias: Whether queries and values have biases.
        qk_scale: Factor of the products of queries and keys; None means (C / A) ** -0.5.
        attn_drop: Dropout of attention weights, 0 to 1.
        proj_drop: Dropout after the output projection, 0 to 1.

    Raises:
        ArgumentError: ``embed_dims`` is no multiple of ``num_heads``.
    """

    q_bias: nn.Parameter | None
    k_bias: None = None  # it would change no attention weight
    v_bias: nn.Parameter | None

    def __init__(
        self,
        embed_dims: int,
        num_heads: int = 8,
        qkv_bias: bool = False,
        qk_scale: float | None = None,
        attn_drop: float = 0.0,
        proj_drop: float = 0.0,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.scale = qk_scale or channels_of_a_head(embed_dims, num_heads) ** -0.5
        self.q = nn.Linear(embed_dims, embed_dims, bias=False)
        self.k = nn.Linear(embed_dims, embed_dims, bias=False)
        self.v = nn.Linear(embed_dims, embed_dims, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(embed_dims)) if qkv_bias else None  # [C]
        self.v_bias = nn.Parameter(torch.zeros(embed_dims)) if qkv_bias else None  # [C]
        self.attn_drop = attn_drop
        self.proj = nn.Linear(embed_dims, embed_dims)
        self.proj_drop = nn.Dropout(proj_drop)

    def forward(self, x: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Return [N, Q, C].

        Args:
            x: Tokens [N, Q, C] that ask.
            k: Tokens [N, K, C] that the attention weights depend on.
            v: Tokens [N, K, C] that are averaged with these weights.
        """
        parts = (
            F.linear(x, self.q.weight, self.q_bias),
            F.linear(k, self.k.weight),
            F.linear(v, self.v.weight, self.v_bias),
        )
        query, key, value = (
            part.unflatten(2, (self.num_heads, -1)).transpose(1, 2) for part in parts
        )  # [N, A, Q or K, C/A]
        x = attention(
            query, key, value, self.scale, dropout=self.attn_drop if self.training else 0.0
        )
        return self.proj_drop(self.proj(x.transpose(1, 2).flatten(2)))


class CAETransformerRegressorLayer(BaseModule):
    """A block in which the tokens of masked patches ask those of all patches.

    Args:
        embed_dims: C.
        num_heads: A.
        feedforward_channels: Hidden channels of the perceptron.
        num_fcs: Linear layers of the perceptron.
        qkv_bias: Whether queries and values have biases.
        qk_scale: See ``CrossMultiheadAttention``.
        drop_rate: Dropout after attention and in the perceptron, 0 to 1.
        attn_drop_rate: Dropout of attention weights, 0 to 1.
        drop_path_rate: Probability that an image skips a branch, 0 to 1.
        init_values: Start of the trained factor of each channel of a branch; 0 for factors of 1
            that don't train.
        act_cfg: Config of the activation.
        norm_cfg: Config of the normalisations.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        feedforward_channels: int,
        num_fcs: int = 2,
        qkv_bias: bool = False,
        qk_scale: float | None = None,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        init_values: float | None = 0.0,
        act_cfg: dict = {"type": "GELU"},  # noqa: B006
        norm_cfg: dict = {"type": "LN", "eps": 1e-6},  # noqa: B006
    ) -> None:
        super().__init__()
        self.norm1_q_cross = build_norm_layer(norm_cfg, embed_dims)[1]
        self.norm1_k_cross = build_norm_layer(norm_cfg, embed_dims)[1]
        self.norm1_v_cross = build_norm_layer(norm_cfg, embed_dims)[1]
        self.norm2_cross = build_norm_layer(norm_cfg, embed_dims)[1]
        self.cross_attn = CrossMultiheadAttention(
            embed_dims, num_heads, qkv_bias, qk_scale, attn_drop_rate, drop_rate
        )
        self.ffn = FFN(
            embed_dims=embed_dims,
            feedforward_channels=feedforward_channels,
            num_fcs=num_fcs,
            ffn_drop=drop_rate,
            act_cfg=act_cfg,
            add_identity=False,
        )
        self.drop_path = DropPath(drop_path_rate) if drop_path_rate else nn.Identity()
        # Where no factor trains, 0.x's checkpoints hold ones.
        self.gamma_1_cross = _factor(embed_dims, init_values)
        self.gamma_2_cross = _factor(embed_dims, init_values)

    def forward(self, x_q: Tensor, x_kv: Tensor, pos_q: Tensor, pos_k: Tensor) -> Tensor:
        """Return [N, Q, C].

        Args:
            x_q: Tokens [N, Q, C] of masked patches.
            x_kv: Tokens [N, K, C] of all patches.
            pos_q: Position embeddings [N, Q, C] of the masked patches.
            pos_k: Position embeddings [N, K, C] of all patches.
        """
        branch = self.cross_attn(
            self.norm1_q_cross(x_q + pos_q),
            k=self.norm1_k_cross(x_kv + pos_k),
            v=self.norm1_v_cross(x_kv),
        )
        x = x_q + self.drop_path(scaled(branch, self.gamma_1_cross))
        # The shortcut starts after the normalisation here, unlike in an ordinary block.
        x = self.norm2_cross(x)
        return x + self.drop_path(scaled(self.ffn(x), self.gamma_2_cross))


def _factor(embed_dims: int, init_values: float | None) -> nn.Parameter:
    """Return the factor [C] of each channel of a branch, trained where it has a start."""
    trained = layer_scale(embed_dims, init_values)
    if trained is not None:
        return trained
    return nn.Parameter(torch.ones(embed_dims), requires_grad=False)
