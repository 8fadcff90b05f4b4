"""The Swin transformer of SimMIM: Xie et al. 2022, "SimMIM: a Simple Framework for Masked Image
Modeling", CVPR; the layers are mmcls's (Liu et al. 2021)."""

from collections.abc import Sequence
from typing import Any

import torch
from mmcls.models.backbones import SwinTransformer as _SwinTransformer
from torch import Tensor, nn

from ..builder import BACKBONES
from ..utils.masking import replace_masked
from ..utils.position_embedding import resize_position_embedding


@BACKBONES.register_module()
class SimMIMSwinTransformer(_SwinTransformer):
    """A Swin transformer that sees a trained token in the place of masked patches.

    Args:
        arch: Name of an architecture of mmcls (``"tiny"``, ``"base"`` ...), or a dict of
            ``embed_dims``, ``depths``, ``num_heads``.
        img_size: Height and width of the images in pixels.
        in_channels: Channels of the images.
        drop_rate: Dropout of tokens, 0 to 1.
        drop_path_rate: Stochastic depth of the last block, 0 to 1.
        out_indices: Stages whose outputs are returned, from 0.
        use_abs_pos_embed: Whether absolute position embeddings are added.
        with_cp: Whether to compute activations again in the backward pass, which saves memory.
        frozen_stages: Stages that don't train; -1 freezes nothing.
        norm_eval: Whether batch normalisations keep their running statistics.
        norm_cfg: Config of the normalisations.
        stage_cfgs: Further arguments of the stages.
        patch_cfg: Further arguments of the patch embedding.
        init_cfg: mmcv's initialization config.
        **kwargs: Other arguments of mmcls's SwinTransformer.
    """

    def __init__(
        self,
        arch: str | dict = "T",
        img_size: int | tuple[int, int] = 224,
        in_channels: int = 3,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.1,
        out_indices: Sequence[int] = (3,),
        use_abs_pos_embed: bool = False,
        with_cp: bool = False,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        norm_cfg: dict = {"type": "LN"},  # noqa: B006
        stage_cfgs: Sequence[dict] | dict = {},  # noqa: B006
        patch_cfg: dict = {},  # noqa: B006
        init_cfg: dict | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            arch=arch,
            img_size=img_size,
            in_channels=in_channels,
            drop_rate=drop_rate,
            drop_path_rate=drop_path_rate,
            out_indices=tuple(out_indices),
            use_abs_pos_embed=use_abs_pos_embed,
            with_cp=with_cp,
            frozen_stages=frozen_stages,
            norm_eval=norm_eval,
            norm_cfg=norm_cfg,
            stage_cfgs=stage_cfgs,
            patch_cfg=patch_cfg,
            init_cfg=init_cfg,
            **kwargs,
        )
        self.mask_token = nn.Parameter(torch.zeros(1, 1, self.embed_dims))

    def init_weights(self) -> None:
        """Draw the mask token and all linear layers from normal distributions, deviation 0.02."""
        super().init_weights()
        if isinstance(self.init_cfg, dict) and self.init_cfg.get("type") == "Pretrained":
            return
        nn.init.trunc_normal_(self.mask_token, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def train(self, mode: bool = True) -> "SimMIMSwinTransformer":
        """Switch to train or eval mode; frozen stages stay in eval mode."""
        super().train(mode)  # mmcls's method returns None instead of self
        return self

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return the outputs of ``out_indices`` as maps [N, C, rows, columns].

        Args:
            x: Images [N, in_channels, H, W].
            mask: 1 for masked patches, 0 for visible ones, [N, rows, columns]; None for whole
                images.
        """
        tokens, resolution = self.patch_embed(x)  # [N, L, C]
        if mask is not None:
            tokens = replace_masked(tokens, mask, self.mask_token)
        if self.use_abs_pos_embed:
            tokens = tokens + resize_position_embedding(
                self.absolute_pos_embed,
                tuple(self.patch_resolution),
                tuple(resolution),
                self.interpolate_mode,
                self.num_extra_tokens,
            )
        tokens = self.drop_after_pos(tokens)
        outs = []
        # Stages after the last output are not computed.
        for i, stage in enumerate(self.stages[: max(self.out_indices) + 1]):
            tokens, resolution = stage(tokens, resolution, do_downsample=False)
            if i in self.out_indices:
                out = getattr(self, f"norm{i}")(tokens)  # [N, L, C]
                outs.append(out.transpose(1, 2).unflatten(2, tuple(resolution)).contiguous())
            if stage.downsample is not None:
                tokens, resolution = stage.downsample(tokens, resolution)
        return tuple(outs)
