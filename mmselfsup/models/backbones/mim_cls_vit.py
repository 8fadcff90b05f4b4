"""The vision transformer that classifies after masked pre-training: fine-tuned or frozen.

He et al. 2022, "Masked Autoencoders Are Scalable Vision Learners", CVPR, appendix A.1; with
relative positions and LayerScale: Bao et al. 2022, "BEiT", ICLR.

Letters: N images, C channels.
"""

from collections.abc import Sequence
from typing import Any

from mmcv.cnn import build_norm_layer
from torch import Tensor, nn

from ..builder import BACKBONES
from .base_vit import BaseViT


@BACKBONES.register_module()
class MIMVisionTransformer(BaseViT):
    """A vision transformer that gives one vector per image.

    With ``final_norm`` it is the class token after the last normalisation, as for a linear probe.
    Without it, it is the mean over the places behind a normalisation ``fc_norm`` of its own, as for
    fine-tuning.

    Args:
        arch: See ``BaseViT``; so are the arguments without an entry here.
        use_window: Whether attention has a bias for each relative position; images then have the
            size ``img_size``.
        qkv_bias: See ``MultiheadAttention``, and with ``use_window`` ``MultiheadAttentionWithRPE``.
        final_norm: Whether the last block is followed by a normalisation.
        init_values: Start of LayerScale's factors, 0 for none.
        finetune: False freezes the whole transformer.
        **kwargs: Other arguments of ``BaseViT``, such as ``with_cp``.
    """

    query_value_bias = True

    def __init__(
        self,
        arch: str | dict = "b",
        img_size: int | tuple[int, int] = 224,
        patch_size: int = 16,
        out_indices: int | Sequence[int] = -1,
        use_window: bool = False,
        drop_rate: float = 0,
        drop_path_rate: float = 0,
        qkv_bias: bool = True,
        norm_cfg: dict = {"type": "LN", "eps": 1e-6},  # noqa: B006
        final_norm: bool = True,
        output_cls_token: bool = True,
        interpolate_mode: str = "bicubic",
        init_values: float = 0.0,
        patch_cfg: dict = {},  # noqa: B006
        layer_cfgs: dict | Sequence[dict] = {},  # noqa: B006
        finetune: bool = True,
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ) -> None:
        self.use_window, self.init_values, self.finetune = use_window, init_values, finetune
        super().__init__(
            arch=arch,
            img_size=img_size,
            patch_size=patch_size,
            out_indices=out_indices,
            drop_rate=drop_rate,
            drop_path_rate=drop_path_rate,
            qkv_bias=qkv_bias,
            norm_cfg=norm_cfg,
            final_norm=final_norm,
            output_cls_token=output_cls_token,
            interpolate_mode=interpolate_mode,
            patch_cfg=patch_cfg,
            layer_cfgs=layer_cfgs,
            init_cfg=init_cfg,
            **kwargs,
        )

    def _build_blocks(
        self,
        common: dict[str, Any],
        own: dict | Sequence[dict],
        drop_path_rate: float,
        final_norm: bool,
    ) -> None:
        """Build the blocks, with relative positions and LayerScale, and the normalisation."""
        common = {**common, "init_values": self.init_values}
        if self.use_window:
            common["window_size"] = self.patch_resolution
        super()._build_blocks(common, own, drop_path_rate, final_norm)
        norm_cfg = common["norm_cfg"]
        self.fc_norm = None if final_norm else build_norm_layer(norm_cfg, self.embed_dims)[1]

    def outputs(self, tokens: Tensor, resolution: tuple[int, int]) -> Tensor:
        """Return the vector [N, C] of an image for the tokens of one block."""
        if self.fc_norm is None:
            return tokens[:, 0]
        return self.fc_norm(self.places(tokens).mean(dim=1))

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """Return the vectors [N, C] of images [N, in_channels, H, W], of the last block asked for.

        0.x gives a tensor as well, where other backbones give a list.
        """
        return super().forward(x)[-1]

    def _frozen(self) -> list[nn.Module]:
        """Return the modules that don't train."""
        return super()._frozen() if self.finetune else list(self.children())

    def _freeze(self) -> None:
        """Exclude frozen parts from training."""
        super()._freeze()
        if not self.finetune:
            self.requires_grad_(False)
