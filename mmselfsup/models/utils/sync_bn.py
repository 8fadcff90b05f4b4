"""Batch normalisation over the joined batch of all ranks, on any device.

Letters: N batch, C channels, L positions (the product of all dimensions after the channels).
"""

from typing import Any, Protocol

import torch
from mmcv.cnn import NORM_LAYERS
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmselfsup.utils import dist

from .precision import to_float32


class Visible(Protocol):
    """What says which places of a map count, see ``VisiblePlaces``."""

    mask: Tensor | None

    def at(self, like: Tensor) -> Tensor:
        """Return a mask [N, 1, H, W] for a map [N, C, H, W]."""


@NORM_LAYERS.register_module("SyncBN", force=True)
class SyncBatchNorm(_BatchNorm):
    """``nn.SyncBatchNorm`` that also runs on CPUs; in a single process plain batch normalisation.

    Arguments and ``state_dict`` names are those of ``nn.SyncBatchNorm``. On GPUs its fused kernels
    are used. Output, gradients and running statistics are those of one process on the joined
    batch, even if the ranks' batches differ in size.

    It is no subclass of ``nn.SyncBatchNorm``: DistributedDataParallel refuses those on a CPU.

    Args:
        num_features: C.
        process_group: Unused on CPUs, where all ranks take part; as in ``nn.SyncBatchNorm`` on
            GPUs.
        **kwargs: ``eps``, ``momentum``, ``affine``, ``track_running_stats``.
    """

    #: Which places count; None for all. Set by ``see_places``.
    visible: Visible | None = None

    # ``nn.SyncBatchNorm.forward`` is called with this object and needs this method too.
    _check_non_zero_input_channels = nn.SyncBatchNorm._check_non_zero_input_channels

    def __init__(self, num_features: int, process_group: Any = None, **kwargs: Any) -> None:
        super().__init__(num_features, **kwargs)
        self.process_group = process_group

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected at least 2 dimensions, got {input.dim()}")

    def forward(self, input: Tensor) -> Tensor:
        """Normalise [N, C, ...] to the same shape and dtype; all ranks must call it in training.

        Raises:
            ValueError: The input has fewer than 2 dimensions.
        """
        if self.visible is not None and self.visible.mask is not None:
            return self._forward_visible(input, self.visible.at(input))
        if not self.training or dist.get_world_size() == 1:
            return super().forward(input)
        if input.is_cuda:
            return nn.SyncBatchNorm.forward(self, input)  # type: ignore[arg-type]
        return self._forward_joined(input)

    def _forward_joined(self, input: Tensor) -> Tensor:
        """Normalise [N, C, ...] with the statistics of all ranks' batches."""
        self._check_input_dim(input)
        x = to_float32(input).transpose(0, 1).flatten(1)  # [C, N*L]
        count = dist.all_reduce(x.new_tensor(float(x.shape[1])))  # []
        # Two passes, because the mean of the squares minus the square of the mean loses digits.
        mean = dist.all_reduce_with_grad(x.sum(dim=1)) / count  # [C]
        centred = x - mean[:, None]  # [C, N*L]
        var = dist.all_reduce_with_grad(centred.square().sum(dim=1)) / count  # [C]
        self._update_running(mean.detach(), var.detach() * count / (count - 1).clamp(min=1))
        y = centred * torch.rsqrt(var + self.eps)[:, None]  # [C, N*L]
        if self.affine:
            y = y * self.weight[:, None] + self.bias[:, None]
        swapped = input.transpose(0, 1).shape  # [C, N, ...]
        return y.view(swapped).transpose(0, 1).to(input.dtype)

    def _forward_visible(self, input: Tensor, mask: Tensor) -> Tensor:
        """Normalise [N, C, H, W] with the statistics of visible places; hidden ones become 0.

        Args:
            input: The map.
            mask: 1 for visible places, 0 for hidden ones, [N, 1, H, W].
        """
        if not self.training:
            return super().forward(input) * mask
        x, seen = to_float32(input), to_float32(mask)
        count = dist.all_reduce(seen.sum()).clamp(min=1)  # []
        mean = dist.all_reduce_with_grad((x * seen).sum(dim=(0, 2, 3))) / count  # [C]
        centred = (x - mean[:, None, None]) * seen
        var = dist.all_reduce_with_grad(centred.square().sum(dim=(0, 2, 3))) / count  # [C]
        self._update_running(mean.detach(), var.detach() * count / (count - 1).clamp(min=1))
        y = centred * torch.rsqrt(var + self.eps)[:, None, None]
        if self.affine:
            y = y * self.weight[:, None, None] + self.bias[:, None, None] * seen
        return y.to(input.dtype)

    @torch.no_grad()
    def _update_running(self, mean: Tensor, unbiased_var: Tensor) -> None:
        """Update the running statistics with those of a batch, [C] each."""
        if self.running_mean is None or self.running_var is None:
            return
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        momentum = self.momentum
        if momentum is None:  # the average over all batches so far
            momentum = 1.0 / float(self.num_batches_tracked or 1)
        self.running_mean.lerp_(mean.to(self.running_mean), momentum)
        self.running_var.lerp_(unbiased_var.to(self.running_var), momentum)


class _SyncBatchNormAct(SyncBatchNorm):
    """A batch normalisation of timm that its activation follows."""

    act: nn.Module
    drop: nn.Module

    def forward(self, input: Tensor) -> Tensor:
        """Return the activation of the normalised [N, C, ...]."""
        y: Tensor = self.act(self.drop(super().forward(input)))
        return y


def convert_sync_bn(network: nn.Module) -> None:
    """Join the statistics of all batch normalisations in a network over the processes, in place.

    The layers stay the same objects under the same names; their class changes.
    """
    for module in network.modules():
        if isinstance(module, _BatchNorm) and not isinstance(module, SyncBatchNorm):
            with_act = isinstance(getattr(module, "act", None), nn.Module)
            module.__class__ = _SyncBatchNormAct if with_act else SyncBatchNorm
            module.process_group = None  # type: ignore[assignment]
