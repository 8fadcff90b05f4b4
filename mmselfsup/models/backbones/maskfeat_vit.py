"""The vision transformer of MaskFeat: Wei et al. 2022, "Masked Feature Prediction for
Self-Supervised Visual Pre-Training", CVPR."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..builder import BACKBONES
from ..utils.masking import replace_masked
from .base_vit import BaseViT


@BACKBONES.register_module()
class MaskFeatViT(BaseViT):
    """A vision transformer that sees a trained token in the place of masked patches.

    Args:
        arch: See ``BaseViT``; so are the other arguments.
        **kwargs: Other arguments of ``BaseViT``, such as ``with_cp``.
    """

    takes_registers = False

    def __init__(
        self,
        arch: str | dict = "b",
        img_size: int | tuple[int, int] = 224,
        patch_size: int = 16,
        out_indices: int | Sequence[int] = -1,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        norm_cfg: dict = {"type": "LN", "eps": 1e-6},  # noqa: B006
        final_norm: bool = True,
        output_cls_token: bool = True,
        interpolate_mode: str = "bicubic",
        patch_cfg: dict = {},  # noqa: B006
        layer_cfgs: dict | Sequence[dict] = {},  # noqa: B006
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
            norm_cfg=norm_cfg,
            final_norm=final_norm,
            output_cls_token=output_cls_token,
            interpolate_mode=interpolate_mode,
            patch_cfg=patch_cfg,
            layer_cfgs=layer_cfgs,
            init_cfg=init_cfg,
            **kwargs,
        )
        self.mask_token = nn.Parameter(torch.zeros(1, 1, self.embed_dims))

    def draw_weights(self) -> None:
        """Draw mask and class token from normal distributions, deviation 0.02."""
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        nn.init.trunc_normal_(self.mask_token, std=0.02)

    def forward(  # type: ignore[override]
        self, x: Tensor, mask: Tensor | None = None
    ) -> Tensor | tuple[Any, ...]:
        """Return tokens of masked images, or the features of whole images.

        Args:
            x: Images [N, C, H, W].
            mask: Which patches are masked, [N, rows, columns] or [N, L]; None for whole images.

        Returns:
            With a mask the tokens [N, 1 + L, C] after the last block, class token first. Without
            one the outputs of ``out_indices``, see ``BaseViT``.
        """
        if mask is None:
            return super().forward(x)
        return self.encode(self.embed_masked(x, mask)[0])[-1]

    def embed_masked(self, x: Tensor, mask: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return tokens with positions [N, 1 + R + L, C], and rows and columns; see ``embed``."""
        tokens, resolution = self.patch_embed(x)  # [N, L, C]
        positions = self.positions(resolution)
        tokens = replace_masked(tokens, mask, self.mask_token) + positions[:, 1:]
        tokens = self.with_registers(self.with_class_token(tokens, positions))
        return tokens, tuple(resolution)
