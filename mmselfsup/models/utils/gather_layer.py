"""Gathering a batch over the ranks as an autograd function."""

from typing import Any

import torch
from torch import Tensor

from ...utils import dist


class GatherLayer(torch.autograd.Function):
    """``GatherLayer.apply(x)`` is the tuple of all ranks' ``x``, in rank order, with a gradient.

    Alone it is ``(x,)``. New code calls ``mmselfsup.utils.dist.gather_with_grad``, which gives
    the same rows as one tensor.

    Difference from 0.x: there a rank kept only its own share of the gradient, so the mean that
    DistributedDataParallel takes was 1/R of the gradient of one process on the joined batch
    (R ranks). Here the shares are summed and the two agree.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, ...]:  # [N, ...] -> R tensors [N, ...]
        """Collect the tensors; all ranks give the same shape."""
        return dist.all_gather_cat(x.view_as(x)).chunk(dist.get_world_size())

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        """Sum over the ranks what they send back for this rank's tensor."""
        return dist.all_reduce(torch.stack(grads))[dist.get_rank()]
