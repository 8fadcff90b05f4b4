"""The vision transformer of iBOT and DINOv2: Zhou et al. 2022, "iBOT: Image BERT Pre-Training with
Online Tokenizer", ICLR; Oquab et al. 2023, "DINOv2: Learning Robust Visual Features without
Supervision"."""

from typing import Any

from torch import Tensor

from ..builder import BACKBONES
from .maskfeat_vit import MaskFeatViT


@BACKBONES.register_module()
class IBOTViT(MaskFeatViT):
    """A vision transformer with a trained token in the place of masked patches.

    Images with and without a mask give the same format, so that a teacher that sees whole images
    and a student that sees masked ones can be compared place by place. The weights of the authors'
    DINOv2 fit: ``layer_cfgs=dict(init_values=1e-5)`` for LayerScale, ``num_registers=4`` for the
    variant with registers.

    Args:
        arch: See ``BaseViT``; so are the other arguments.
        **kwargs: Other arguments of ``BaseViT``, such as ``num_registers``.
    """

    takes_registers = True

    def __init__(self, arch: str | dict = "b", **kwargs: Any) -> None:
        super().__init__(arch, **kwargs)
        self.register_load_state_dict_pre_hook(_three_dimensions)

    def forward(  # type: ignore[override]
        self, x: Tensor, mask: Tensor | None = None
    ) -> tuple[Any, ...]:
        """Return the outputs of ``out_indices``, see ``BaseViT``.

        Args:
            x: Images [N, C, H, W].
            mask: Which patches are masked, [N, rows, columns] or [N, L]; None for whole images.
        """
        tokens, resolution = self.embed(x) if mask is None else self.embed_masked(x, mask)
        return tuple(self.outputs(out, resolution) for out in self.encode(tokens))


def _three_dimensions(
    backbone: IBOTViT, state_dict: dict[str, Tensor], prefix: str, *_: Any
) -> None:
    """Accept the mask token of DINOv2's files, [1, C] for [1, 1, C]."""
    token = state_dict.get(f"{prefix}mask_token")
    if token is not None and token.ndim == 2:
        state_dict[f"{prefix}mask_token"] = token[None]
