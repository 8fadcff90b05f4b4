"""The vision transformer of CAE: Chen et al. 2022, "Context Autoencoder for Self-Supervised
Representation Learning"."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..builder import BACKBONES
from ..utils.position_embedding import build_2d_sincos_position_embedding
from .base_vit import BaseViT


@BACKBONES.register_module()
class CAEViT(BaseViT):
    """A vision transformer of the visible patches only, with fixed position embeddings.

    Args:
        arch: See ``BaseViT``.
        init_values: Start of the trained factor of each channel of a branch; None for no factor.
        qkv_bias: See ``MultiheadAttention``: False still has biases of queries and values.
        layer_cfgs: See ``BaseViT``.
        **kwargs: Other arguments of ``BaseViT``.
    """

    query_value_bias: ClassVar[bool] = True

    def __init__(
        self,
        arch: str | dict = "b",
        init_values: float | None = None,
        qkv_bias: bool = True,
        layer_cfgs: dict = {},  # noqa: B006
        **kwargs: Any,
    ) -> None:
        layer_cfgs = {"init_values": init_values, **layer_cfgs}
        super().__init__(arch, qkv_bias=qkv_bias, layer_cfgs=layer_cfgs, **kwargs)
        self.pos_embed.requires_grad_(False)
        self.init_positions()

    def init_positions(self) -> None:
        """Set the position embeddings to sines and cosines of the places."""
        table = build_2d_sincos_position_embedding(
            self.patch_resolution, self.embed_dims, cls_token=True
        )
        self.pos_embed.data.copy_(table)

    def init_weights(self) -> None:
        """Draw class token and patch embedding from normal distributions, deviation 0.02."""
        super().init_weights()
        if not (isinstance(self.init_cfg, dict) and self.init_cfg.get("type") == "Pretrained"):
            nn.init.trunc_normal_(self.cls_token, std=0.02)
            nn.init.trunc_normal_(self.patch_embed.projection.weight, std=0.02)

    def forward(  # type: ignore[override]
        self, x: Tensor, mask: Tensor | None = None
    ) -> Tensor | tuple[Any, ...]:
        """Return tokens of the visible patches, or the features of whole images.

        Args:
            x: Images [N, C, H, W].
            mask: True for masked patches, [N, L] or [N, rows, columns], equally many for each
                image; None for whole images.

        Returns:
            With a mask the tokens [N, 1 + L_visible, C] after the last block, class token first.
            Without one the outputs of ``out_indices``, see ``BaseViT``.
        """
        if mask is None:
            return super().forward(x)
        tokens, resolution = self.patch_embed(x)  # [N, L, C]
        positions = self.positions(resolution)
        class_token = (self.cls_token + positions[:, :1]).expand(len(tokens), -1, -1)
        visible = select_patches(tokens + positions[:, 1:], ~mask.flatten(1).bool())
        return self.encode(self.drop_after_pos(torch.cat([class_token, visible], dim=1)))[-1]


def select_patches(tokens: Tensor, chosen: Tensor) -> Tensor:
    """Return the chosen tokens of each image, in their order.

    Args:
        tokens: Tokens [N, L, C], or [1, L, C] for the same ones in all images.
        chosen: True for chosen tokens, [N, L], equally many in each image.

    Returns:
        [N, L_chosen, C]. On a GPU this waits for the mask: the number of chosen tokens is not known
        without it.
    """
    return tokens.expand(len(chosen), -1, -1)[chosen].unflatten(0, (len(chosen), -1))
