"""Gathering a batch over the ranks as an autograd function. Letters: N batch, R ranks."""

from typing import Any

import torch
from torch import Tensor

from mmselfsup.utils import dist


class GatherLayer(torch.autograd.Function):
    """The tuple of all ranks' ``x``, in rank order, with a gradient: ``GatherLayer.apply(x)``.

    In a single process it is ``(x,)``. New code calls ``gather_with_grad``, which returns the same
    rows as one tensor.

    Difference from 0.x: there a rank used only its own part of the gradient, so the mean that
    DistributedDataParallel takes was 1/R of the gradient of one process on the joined batch. Now
    the parts are summed and the two are equal.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, ...]:  # [N, ...] -> R tensors [N, ...]
        """Gather the tensors, whose shape must be equal on all ranks; all ranks must call it."""
        return dist.all_gather_cat(x.view_as(x)).chunk(dist.get_world_size())

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        """Sum the gradients of this rank's tensor over all ranks."""
        return dist.all_reduce(torch.stack(grads))[dist.get_rank()]
