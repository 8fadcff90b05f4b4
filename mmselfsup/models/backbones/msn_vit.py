"""The vision transformer of MSN: Assran et al. 2022, "Masked Siamese Networks for Label-Efficient
Learning", ECCV. Letters: N images, L patches, C channels."""

from typing import Any

from torch import Tensor, nn

from mmselfsup.utils.errors import ArgumentError

from ..builder import BACKBONES
from ..utils.masking import random_masking
from ..utils.transformer_blocks import init_linear_layers
from .base_vit import BaseViT


@BACKBONES.register_module()
class MSNViT(BaseViT):
    """A vision transformer that can leave out a random part of the patches of each image.

    Args:
        arch: See ``BaseViT``; so are the other arguments.
        **kwargs: Other arguments of ``BaseViT``, such as ``num_registers``.

    Raises:
        ArgumentError: There is no class token, or see ``BaseViT``.
    """

    def __init__(self, arch: str | dict = "b", **kwargs: Any) -> None:
        super().__init__(arch, **kwargs)
        if not self.with_cls_token:
            raise ArgumentError("MSNViT needs with_cls_token=True: it gives that of masked images")

    def draw_weights(self) -> None:
        """Draw linear layers as MAE's authors do: Xavier; a class token of 0.02."""
        init_linear_layers(self)
        nn.init.normal_(self.cls_token, std=0.02)

    def forward(self, x: Tensor, mask_ratio: float = 0.0) -> tuple[Any, ...]:  # type: ignore[override]
        """Return the features of whole images, or the class tokens of masked ones.

        Args:
            x: Images [N, in_channels, H, W].
            mask_ratio: Part of the patches that is left out, at least 0, less than 1; see
                ``random_masking``.

        Returns:
            Without a mask the outputs of ``out_indices``, see ``BaseViT``. With one the class
            tokens [N, C] after the last of these blocks: the only entry.
        """
        if not mask_ratio:
            return super().forward(x)
        tokens, resolution = self.patch_embed(x)  # [N, L, C]
        positions = self.positions(tuple(resolution))  # [1, 1 + L, C]
        kept, _, _ = random_masking(tokens + positions[:, 1:], mask_ratio)
        tokens = self.with_registers(self.with_class_token(kept, positions))
        return (self.encode(tokens)[-1][:, 0],)
