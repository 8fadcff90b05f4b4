"""The encoder of MAE: He et al. 2022, "Masked Autoencoders Are Scalable Vision Learners", CVPR.

Letters: N images, L patches, K of them visible, C channels.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from mmselfsup.utils.errors import ArgumentError

from ..builder import BACKBONES
from ..utils.masking import random_masking
from ..utils.transformer_blocks import init_linear_layers
from .vision_transformer import VisionTransformer


@BACKBONES.register_module()
class MAEViT(VisionTransformer):
    """A vision transformer that sees a random part of the patches, with fixed position embeddings.

    Args:
        arch: See ``BaseViT``; so are the arguments without an entry here.
        mask_ratio: Part of the patches that is hidden, at least 0, less than 1.
        **kwargs: Other arguments of ``BaseViT``, such as ``with_cp``.

    Raises:
        ArgumentError: ``mask_ratio`` is outside its range, or see ``BaseViT``.
    """

    takes_registers = False

    def __init__(
        self,
        arch: str | dict = "b",
        img_size: int | tuple[int, int] = 224,
        patch_size: int = 16,
        out_indices: int | Sequence[int] = -1,
        drop_rate: float = 0,
        drop_path_rate: float = 0,
        norm_cfg: dict = {"type": "LN", "eps": 1e-6},  # noqa: B006
        final_norm: bool = True,
        output_cls_token: bool = True,
        interpolate_mode: str = "bicubic",
        patch_cfg: dict = {},  # noqa: B006
        layer_cfgs: dict | Sequence[dict] = {},  # noqa: B006
        mask_ratio: float = 0.75,
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ) -> None:
        if not 0 <= mask_ratio < 1:
            raise ArgumentError(f"mask_ratio must be at least 0 and less than 1, got {mask_ratio}")
        super().__init__(
            arch=arch,
            img_size=img_size,
            patch_size=patch_size,
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
        self.mask_ratio = mask_ratio
        self.num_patches = self.patch_resolution[0] * self.patch_resolution[1]

    def draw_weights(self) -> None:
        """Draw the weights as the authors' code does: Xavier, a class token of 0.02."""
        init_linear_layers(self)
        self.draw_patch_weights()
        nn.init.normal_(self.cls_token, std=0.02)

    def embed_visible(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the class token and the visible tokens of images, with positions.

        Args:
            x: Images [N, in_channels, H, W].

        Returns:
            Tokens [N, 1 + K, C], the mask [N, L] and the places [N, L], see ``random_masking``.
        """
        tokens, resolution = self.patch_embed(x)  # [N, L, C]
        positions = self.positions(tuple(resolution))  # [1, 1 + L, C]
        visible, mask, place = random_masking(tokens + positions[:, 1:], self.mask_ratio)
        return self.with_class_token(visible, positions), mask, place

    def forward(self, x: Tensor, masked: bool = True) -> tuple[Any, ...]:
        """Encode the visible patches of images, or all of them.

        Args:
            x: Images [N, in_channels, H, W].
            masked: Whether patches are hidden.

        Returns:
            With ``masked`` the tokens of the last block [N, 1 + K, C], the mask [N, L] (float32, 1
            for hidden patches) and ``ids_restore`` [N, L] (int64), the places of the patches in the
            random order. Without it what ``BaseViT`` returns, one entry for each of
            ``out_indices``.
        """
        if not masked:
            return super().forward(x)
        tokens, mask, place = self.embed_visible(x)
        return self.encode(tokens)[-1], mask, place
