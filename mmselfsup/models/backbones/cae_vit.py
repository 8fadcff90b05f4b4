"""The vision transformer of CAE: Chen et al. 2022, "Context Autoencoder for Self-Supervised
Representation Learning"."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from ..builder import BACKBONES
from ..utils.masked_places import Places, masked_places
from .base_vit import BaseViT


@BACKBONES.register_module()
class CAEViT(BaseViT):
    """A vision transformer of the visible patches only, with fixed position embeddings.

    Args:
        arch: See ``BaseViT``; so are the arguments without an entry here.
        qkv_bias: See ``MultiheadAttention``: False still has biases of queries and values.
        init_values: Start of the trained factor of each channel of a branch; None for no factor.
        **kwargs: Other arguments of ``BaseViT``, such as ``with_cp``.
    """

    query_value_bias = True
    fixed_positions = True
    takes_registers = False

    def __init__(
        self,
        arch: str | dict = "b",
        img_size: int | tuple[int, int] = 224,
        patch_size: int = 16,
        out_indices: int | Sequence[int] = -1,
        drop_rate: float = 0,
        drop_path_rate: float = 0,
        qkv_bias: bool = True,
        norm_cfg: dict = {"type": "LN", "eps": 1e-6},  # noqa: B006
        final_norm: bool = True,
        output_cls_token: bool = True,
        interpolate_mode: str = "bicubic",
        init_values: float | None = None,
        patch_cfg: dict = {},  # noqa: B006
        layer_cfgs: dict = {},  # noqa: B006
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            arch,
            img_size,
            patch_size,
            out_indices=out_indices,
            drop_rate=drop_rate,
            drop_path_rate=drop_path_rate,
            qkv_bias=qkv_bias,
            norm_cfg=norm_cfg,
            final_norm=final_norm,
            output_cls_token=output_cls_token,
            interpolate_mode=interpolate_mode,
            patch_cfg=patch_cfg,
            layer_cfgs={"init_values": init_values, **layer_cfgs},
            init_cfg=init_cfg,
            **kwargs,
        )

    def draw_weights(self) -> None:
        """Draw class token and patch embedding from normal distributions, deviation 0.02."""
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        nn.init.trunc_normal_(self.patch_embed.projection.weight, std=0.02)

    def forward(  # type: ignore[override]
        self,
        x: Tensor,
        mask: Tensor | None = None,
        num_masked: int | None = None,
        visible: Places | None = None,
    ) -> Tensor | tuple[Any, ...]:
        """Return tokens of the visible patches, or the features of whole images.

        Args:
            x: Images [N, C, H, W].
            mask: True for masked patches, [N, L] or [N, rows, columns], equally many for each
                image; None for whole images.
            num_masked: How many patches of the batch are masked, see ``masked_places``.
            visible: ``masked_places(~mask)``, where it is known.

        Returns:
            With a mask the tokens [N, 1 + L_visible, C] after the last block, class token first.
            Without one the outputs of ``out_indices``, see ``BaseViT``.
        """
        if mask is None:
            return super().forward(x)
        tokens, resolution = self.patch_embed(x)  # [N, L, C]
        positions = self.positions(resolution)
        if visible is None:
            chosen = ~mask.flatten(1).bool()  # [N, L]
            count = None if num_masked is None else chosen.numel() - num_masked
            visible = masked_places(chosen, count)
        seen = select_patches(tokens + positions[:, 1:], visible, len(x))
        return self.encode(self.with_class_token(seen, positions))[-1]


def select_patches(tokens: Tensor, places: Places, images: int) -> Tensor:
    """Return the chosen tokens of each image, in their order.

    Args:
        tokens: Tokens [N, L, C], or [1, L, C] for the same ones in all images.
        places: The chosen ones, equally many in each image, see ``masked_places``.
        images: N.

    Returns:
        [N, L_chosen, C].
    """
    return tokens.expand(images, -1, -1)[places].unflatten(0, (images, -1))
