"""The vision transformer of MoCo v3: Chen et al. 2021, "An Empirical Study of Training
Self-Supervised Vision Transformers", ICCV."""

import math
from typing import Any, ClassVar

from torch import nn

from ..builder import BACKBONES
from .base_vit import BaseViT

_MOCO_V3 = {
    # Twice the heads of DeiT-S: 32 channels a head (section 5).
    "mocov3-small": {
        "embed_dims": 384,
        "num_layers": 12,
        "num_heads": 12,
        "feedforward_channels": 1536,
    }
}


@BACKBONES.register_module()
class VisionTransformer(BaseViT):
    """A vision transformer with fixed position embeddings and, if wished, a fixed patch embedding.

    Args:
        stop_grad_conv1: Whether the patch embedding keeps its random weights: its gradients are
            where training becomes unstable (section 4).
        frozen_stages: See ``BaseViT``.
        norm_eval: See ``BaseViT``.
        init_cfg: mmcv's initialization config.
        **kwargs: Other arguments of ``BaseViT``; ``arch`` may also be ``"mocov3-small"``.
    """

    fixed_positions = True
    arch_zoo: ClassVar[dict[str, dict[str, int]]] = {**BaseViT.arch_zoo, **_MOCO_V3}

    def __init__(
        self,
        stop_grad_conv1: bool = False,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            frozen_stages=frozen_stages, norm_eval=norm_eval, init_cfg=init_cfg, **kwargs
        )
        if stop_grad_conv1:
            self.patch_embed.requires_grad_(False)

    def draw_weights(self) -> None:
        """Draw the weights as the paper does: Xavier, separately for queries, keys and values."""
        for name, module in self.named_modules():
            if not isinstance(module, nn.Linear):
                continue
            if name.endswith("qkv"):
                # Three square matrices, not one of [3*C, C].
                bound = math.sqrt(6 / (module.out_features // 3 + module.in_features))
                nn.init.uniform_(module.weight, -bound, bound)
            else:
                nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.cls_token, std=1e-6)
        self.draw_patch_weights()
        nn.init.zeros_(self.patch_embed.projection.bias)

    def draw_patch_weights(self) -> None:
        """Draw the patch embedding as a linear layer of the pixels of a patch: Xavier."""
        weight = self.patch_embed.projection.weight  # [C, 3, P, P], seen as a matrix [C, 3*P*P]
        bound = math.sqrt(6 / (weight[0].numel() + self.embed_dims))
        nn.init.uniform_(weight, -bound, bound)
