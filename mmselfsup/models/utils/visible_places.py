"""Convolutional networks that compute at visible places only, as with sparse convolutions.

Tian et al. 2023, "Designing BERT for Convolutional Networks: Sparse and Hierarchical Masked
Modeling" (SparK), section 3.1: after each layer the places of hidden patches are zero, and
normalisations take the statistics of visible places, so that no layer spreads into hidden ones.
Letters: N images, h, w rows and columns of the grid of patches, C channels, H, W size of a map.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmselfsup.utils.errors import ArgumentError

from .sync_bn import SyncBatchNorm, convert_sync_bn

#: Layers whose output at a hidden place would not be 0.
_SPREADING = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
#: Normalisations whose statistics can't leave out places.
_OTHER_NORMS = (nn.GroupNorm, nn.LayerNorm, nn.modules.instancenorm._InstanceNorm)


class VisiblePlaces:
    """Which patches a network sees; its layers ask for the mask of their map.

    Attributes:
        mask: 1 for visible patches, 0 for hidden ones, [N, 1, h, w] (float32); None where a network
            sees whole images.
    """

    def __init__(self) -> None:
        self.mask: Tensor | None = None

    @contextmanager
    def only(self, mask: Tensor) -> Iterator[None]:
        """Let the networks see the patches of ``mask`` [N, 1, h, w] within this block."""
        self.mask = mask
        try:
            yield
        finally:
            self.mask = None

    def at(self, like: Tensor) -> Tensor:
        """Return the mask [N, 1, H, W] of a map [N, C, H, W], in its dtype.

        Raises:
            ArgumentError: H or W is no multiple of h or w.
        """
        assert self.mask is not None
        size, grid = like.shape[-2:], self.mask.shape[-2:]
        if size[0] % grid[0] or size[1] % grid[1]:
            raise ArgumentError(
                f"a map of {size[0]} x {size[1]} does not consist of {grid[0]} x {grid[1]} "
                "patches: give images whose sides are multiples of the stride of the network, and "
                "patches of this stride"
            )
        return F.interpolate(self.mask, size=tuple(size), mode="nearest").to(like.dtype)

    def hide(self, module: nn.Module, args: Any, output: Tensor) -> Tensor | None:
        """Set hidden places of a layer's output to 0: a forward hook."""
        return None if self.mask is None else output * self.at(output)


def see_places(network: nn.Module, visible: VisiblePlaces) -> None:
    """Make a network compute at visible places only, wherever ``visible`` has a mask, in place.

    Batch normalisations become ``SyncBatchNorm``: their statistics are those of all processes.
    Names of weights don't change.

    Raises:
        ArgumentError: A normalisation of another kind, or activations that are computed again in
            the backward pass, when the mask is gone.
    """
    for name, module in network.named_modules():
        if isinstance(module, _OTHER_NORMS):
            raise ArgumentError(
                f"{name} is a {type(module).__name__}: only batch normalisation can leave out "
                "hidden places; take norm_cfg=dict(type='SyncBN')"
            )
        if getattr(module, "with_cp", False):
            raise ArgumentError("hidden places exclude with_cp=True: set it to False")
    convert_sync_bn(network)
    for module in network.modules():
        if isinstance(module, _SPREADING):
            module.register_forward_hook(visible.hide)
        elif isinstance(module, SyncBatchNorm):
            module.visible = visible


def fill_hidden(x: Tensor, mask: Tensor, token: Tensor) -> Tensor:
    """Return a map [N, C, H, W] with ``token`` [1, C, 1, 1] where ``mask`` [N, 1, H, W] is 0."""
    return torch.where(mask.bool(), x, token.to(x.dtype))
