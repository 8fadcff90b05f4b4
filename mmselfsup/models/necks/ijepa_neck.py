"""The predictor of I-JEPA: Assran et al. 2023, "Self-Supervised Learning from Images with a
Joint-Embedding Predictive Architecture", CVPR.

Letters: N images, L patches, K context patches, B target blocks of an image, M patches of a block,
D channels of the encoder, C of the predictor.
"""

import torch
from mmcv.cnn import build_norm_layer
from mmcv.runner import BaseModule
from mmcv.runner.base_module import ModuleList
from torch import Tensor, nn

from ..builder import NECKS
from ..utils.block_parts import run_block
from ..utils.masking import square_grid, take_tokens
from ..utils.position_embedding import (
    build_2d_sincos_position_embedding,
    resize_loaded_positions,
    resize_position_embedding,
)
from ..utils.transformer_blocks import TransformerEncoderLayer, init_linear_layers


@NECKS.register_module()
class IJEPAPredictor(BaseModule):
    """A narrow transformer that predicts the features of each target block from the context.

    Each block is predicted by itself: a mask token with its position stands for each of its
    patches.

    Args:
        num_patches: Usual L, a square number; other grids work too, with interpolated positions.
        embed_dim: D.
        predictor_embed_dim: C.
        depth: Number of blocks of the transformer.
        num_heads: Attention heads of such a block.
        mlp_ratio: Hidden channels of a block's perceptron, as a multiple of C.
        norm_cfg: Config of the normalisations.
        with_cp: Whether to compute activations of blocks again in the backward pass.

    Raises:
        ArgumentError: ``num_patches`` is no square number.
    """

    def __init__(
        self,
        num_patches: int = 196,
        embed_dim: int = 384,
        predictor_embed_dim: int = 192,
        depth: int = 6,
        num_heads: int = 6,
        mlp_ratio: float = 4.0,
        norm_cfg: dict = {"type": "LN", "eps": 1e-6},  # noqa: B006
        with_cp: bool = False,
    ) -> None:
        super().__init__()
        self.grid, self.with_cp = square_grid(num_patches), with_cp
        width = predictor_embed_dim
        self.embed = nn.Linear(embed_dim, width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(
            build_2d_sincos_position_embedding(self.grid, width), requires_grad=False
        )
        self.blocks = ModuleList(
            TransformerEncoderLayer(width, num_heads, int(mlp_ratio * width), norm_cfg=norm_cfg)
            for _ in range(depth)
        )
        self.norm = build_norm_layer(norm_cfg, width)[1]
        self.project = nn.Linear(width, embed_dim)
        self.register_load_state_dict_pre_hook(_resize_loaded_positions)

    def init_weights(self) -> None:
        """Draw linear layers by Xavier's rule, and a mask token of 0.02."""
        super().init_weights()
        init_linear_layers(self)
        nn.init.normal_(self.mask_token, std=0.02)

    def forward(
        self, tokens: Tensor, context: Tensor, targets: Tensor, resolution: tuple[int, int]
    ) -> Tensor:
        """Return the predicted features of the target blocks, [N, B, M, D].

        Args:
            tokens: Features of the context patches by the encoder, [N, K, D].
            context: Their places, [N, K] (int64).
            targets: Places of the patches of each target block, [N, B, M] (int64).
            resolution: Rows and columns of the grid of patches.
        """
        num_images, num_blocks, per_block = targets.shape
        positions = resize_position_embedding(
            self.pos_embed, self.grid, resolution, num_extra_tokens=0
        ).expand(num_images, -1, -1)  # [N, L, C]
        seen = self.embed(tokens)
        seen = seen + take_tokens(positions, context).to(seen.dtype)  # [N, K, C]
        asked = self.mask_token + take_tokens(positions, targets.flatten(1))  # [N, B*M, C]
        asked = asked.to(seen.dtype).unflatten(1, (num_blocks, per_block)).flatten(0, 1)
        x = torch.cat([seen.repeat_interleave(num_blocks, 0), asked], dim=1)  # [N*B, K + M, C]
        for block in self.blocks:
            x = run_block(block, x, again=self.with_cp)
        predicted = self.project(self.norm(x[:, -per_block:]))  # [N*B, M, D]
        return predicted.unflatten(0, (num_images, num_blocks))


def _resize_loaded_positions(
    predictor: IJEPAPredictor, state_dict: dict[str, Tensor], prefix: str, *_: object
) -> None:
    """Interpolate the position embeddings of a checkpoint for another image size, and log it."""
    name = f"{prefix}pos_embed"
    resize_loaded_positions(
        state_dict, name, predictor.pos_embed, predictor.grid, num_extra_tokens=0
    )
