"""A shuffle of the batch over all ranks, so that batch norm does not leak pairs of views.

Source: He et al., Momentum Contrast (2020), section 3.3. N samples of one rank, R ranks.
"""

import torch
from torch import Tensor

from . import dist


@torch.no_grad()
def batch_shuffle_ddp(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return N random rows of the joined batch on every rank; the identity for one process.

    Args:
        x: [N, ...], with the same N on every rank.

    Returns:
        The shuffled rows [N, ...] and the order [R*N] that ``batch_unshuffle_ddp`` needs.
    """
    num_rows = x.shape[0]
    if dist.get_world_size() == 1:
        return x, torch.arange(num_rows, device=x.device)
    joined = dist.all_gather_cat(x)  # [R*N, ...]
    # Every rank draws, but the order of the first rank is used on all.
    order = dist.broadcast(torch.randperm(len(joined), device=x.device))  # [R*N]
    return joined[_own_rows(order, num_rows)], order.argsort()


@torch.no_grad()
def batch_unshuffle_ddp(x: Tensor, idx_unshuffle: Tensor) -> Tensor:
    """Undo ``batch_shuffle_ddp``.

    Args:
        x: [N, ...], rows in shuffled order.
        idx_unshuffle: [R*N], the second value of ``batch_shuffle_ddp``.
    """
    if dist.get_world_size() == 1:
        return x
    return dist.all_gather_cat(x)[_own_rows(idx_unshuffle, x.shape[0])]


def _own_rows(order: Tensor, num_rows: int) -> Tensor:
    """Return the part [N] of an order [R*N] that belongs to this rank."""
    start = dist.get_rank() * num_rows
    return order[start : start + num_rows]
