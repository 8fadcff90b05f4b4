"""The vision transformer of I-JEPA: Assran et al. 2023, "Self-Supervised Learning from Images with
a Joint-Embedding Predictive Architecture", CVPR. Letters: N images, L patches, K kept, C channels.
"""

from typing import Any

from torch import Tensor

from ..builder import BACKBONES
from ..utils.masking import take_tokens
from ..utils.transformer_blocks import init_linear_layers
from .vision_transformer import VisionTransformer


@BACKBONES.register_module()
class IJEPAViT(VisionTransformer):
    """A vision transformer that can see some patches only, with fixed positions, no class token.

    Args:
        arch: See ``BaseViT``; so are the arguments without an entry here.
        with_cls_token: Whether there is a class token; the paper has none.
        output_cls_token: See ``BaseViT``.
        **kwargs: Other arguments of ``BaseViT``.
    """

    takes_registers = False

    def __init__(
        self,
        arch: str | dict = "b",
        with_cls_token: bool = False,
        output_cls_token: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            arch=arch, with_cls_token=with_cls_token, output_cls_token=output_cls_token, **kwargs
        )
        self.patch_size = int(self.patch_embed.projection.kernel_size[0])

    def draw_weights(self) -> None:
        """Draw linear layers and the patch embedding by Xavier's rule."""
        init_linear_layers(self)
        self.draw_patch_weights()

    def forward(self, x: Tensor, kept: Tensor | None = None) -> tuple[Any, ...]:  # type: ignore[override]
        """Return the features of whole images, or the tokens of some of their patches.

        Args:
            x: Images [N, in_channels, H, W].
            kept: Places of the patches that the blocks see, [N, K] (int64), row by row of the grid;
                None for all.

        Returns:
            For whole images the outputs of ``out_indices``, see ``BaseViT``; otherwise the tokens
            [N, K, C] after the last of these blocks, the only entry.
        """
        if kept is None:
            return super().forward(x)
        tokens, resolution = self.patch_embed(x)  # [N, L, C]
        positions = self.positions(tuple(resolution))  # [1, 1 + L, C]
        tokens = take_tokens(tokens + positions[:, 1:], kept)
        tokens = self.with_class_token(tokens, positions)
        tokens = self.encode(tokens if self.with_cls_token else tokens[:, 1:])[-1]
        return (self.places(tokens),)
