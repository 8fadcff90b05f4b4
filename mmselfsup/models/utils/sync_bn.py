"""Batch normalisation over the joined batch of all ranks, on any device.

Letters: N batch, C channels, L positions (all dimensions behind the channels).
"""

import torch
from mmcv.cnn import NORM_LAYERS
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...utils import dist


@NORM_LAYERS.register_module("SyncBN", force=True)
class SyncBatchNorm(nn.SyncBatchNorm):
    """``nn.SyncBatchNorm`` that also runs on CPU groups, and alone is plain batch normalisation.

    Arguments and ``state_dict`` names are those of ``nn.SyncBatchNorm``. On GPUs torch's own fused
    kernels are used. With R ranks and equal or unequal shares, output, gradients and running
    statistics are those of one process on the joined batch.
    """

    def forward(self, input: Tensor) -> Tensor:
        """[N, C, ...] -> the same shape, in the dtype of the input."""
        if not self.training or dist.get_world_size() == 1:
            return _BatchNorm.forward(self, input)
        if input.is_cuda:
            return super().forward(input)
        return self._forward_joined(input)

    def _forward_joined(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        x = input.float().transpose(0, 1).flatten(1)  # [C, N*L]
        count = dist.all_reduce(x.new_tensor(float(x.shape[1])))  # []
        # Two passes: the mean of the squares minus the square of the mean loses digits.
        mean = dist.all_reduce_with_grad(x.sum(dim=1)) / count  # [C]
        centred = x - mean[:, None]  # [C, N*L]
        var = dist.all_reduce_with_grad(centred.square().sum(dim=1)) / count  # [C]
        self._update_running(mean.detach(), var.detach() * count / (count - 1).clamp(min=1))
        y = centred * torch.rsqrt(var + self.eps)[:, None]  # [C, N*L]
        if self.affine:
            y = y * self.weight[:, None] + self.bias[:, None]
        shape = input.transpose(0, 1).shape
        return y.view(shape).transpose(0, 1).to(input.dtype)

    @torch.no_grad()
    def _update_running(self, mean: Tensor, unbiased_var: Tensor) -> None:
        if not self.track_running_stats:
            return
        if self.num_batches_tracked is None or self.running_mean is None:
            return
        self.num_batches_tracked.add_(1)
        # momentum None means a plain average over all batches seen.
        weight: float | Tensor = (
            1.0 / self.num_batches_tracked.float() if self.momentum is None else self.momentum
        )
        self.running_mean.lerp_(mean, weight)
        if self.running_var is not None:
            self.running_var.lerp_(unbiased_var, weight)
