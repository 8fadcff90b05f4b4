"""The computations of one of two gloo processes: ``two_ranks.py OUT`` with torchrun's variables.

One call computes everything that the tests of this folder compare with a single process, because
starting two processes takes longer than all the work. ``OUT/rank<r>.pt`` contains the results.
"""

import os
import sys
from pathlib import Path
from typing import Any

import torch
from tiny_models import TINY
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils._pytree import tree_map

from mmselfsup.models import build_algorithm
from mmselfsup.models.utils import GatherLayer, SyncBatchNorm
from mmselfsup.utils import dist

#: Number of images of the joined batch, and the part of it that each rank gets.
JOINED, PARTS = 6, (slice(0, 3), slice(3, 6))


def pick(batch: dict[str, Any], part: slice) -> dict[str, Any]:
    """Return a part of a batch."""
    return tree_map(lambda tensor: tensor[part], batch)


def make(name: str) -> tuple[nn.Module, dict[str, Any]]:
    """Return the tiny model of an algorithm and its joined batch, both in float64.

    In float64 the order of additions changes the results by less than the tests' tolerances.
    """
    torch.manual_seed(0)
    model = build_algorithm(TINY[name].cfg)
    model.init_weights()
    TINY[name].prepare(model)
    batch = TINY[name].batch(JOINED, torch.Generator().manual_seed(1))
    batch["img"] = tree_map(torch.Tensor.double, batch["img"])
    return model.double().train(), batch


def two_steps(call: nn.Module, model: nn.Module, batch: dict[str, Any]) -> dict[str, Any]:
    """Train two iterations with SGD.

    Args:
        call: The model or its DistributedDataParallel wrapper.
        model: The model itself.
        batch: The batch of this rank, used in both iterations.

    Returns:
        ``losses`` of both iterations (means over the ranks), ``grads`` of the first, and ``state``,
        the state dict at the end. The second loss shows whether the update was right.
    """
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses: list[float] = []
    grads: dict[str, torch.Tensor] = {}
    for _ in range(2):
        optimizer.zero_grad()
        loss, _ = model._parse_losses(call(**batch))
        loss.backward()
        losses.append(float(dist.all_reduce(loss.detach(), "mean")))
        named = model.named_parameters()
        grads = grads or {k: p.grad.clone() for k, p in named if p.grad is not None}
        optimizer.step()
    return {"losses": losses, "grads": grads, "state": model.state_dict()}


def gather(part: slice) -> dict[str, Any]:
    """Return the output and the gradient of ``GatherLayer`` for ranks with different weights."""
    x = torch.arange(12.0).reshape(6, 2)[part].requires_grad_()
    parts = GatherLayer.apply(x)
    weight = torch.arange(6.0)[:, None] * (dist.get_rank() + 1)
    (torch.cat(parts) * weight).sum().backward()
    return {"parts": [p.detach() for p in parts], "grad": x.grad}


def sync_bn(part: slice, shape: tuple[int, ...], momentum: float | None) -> dict[str, Any]:
    """Return the output, gradients and state of ``SyncBatchNorm`` for a part of a batch.

    Args:
        part: The samples of this rank.
        shape: Shape of the joined batch, [n, 3, ...].
        momentum: See ``SyncBatchNorm``.
    """
    torch.manual_seed(0)
    layer = SyncBatchNorm(3, momentum=momentum).double()
    nn.init.uniform_(layer.weight)
    x = torch.rand(shape, dtype=torch.float64)
    target = torch.rand(shape, dtype=torch.float64)[part]
    x = x[part].clone().requires_grad_()
    y = layer(x)
    (y * target).sum().backward()
    weight_grad = dist.all_reduce(layer.weight.grad)
    return {"y": y.detach(), "x": x.grad, "weight": weight_grad, "state": layer.state_dict()}


#: Cases of ``sync_bn``: the part of each rank, the shape and the momentum.
SYNC_CASES = {
    "vectors": (PARTS, (6, 3), 0.1),
    "maps": (PARTS, (6, 3, 4, 5), 0.1),
    "unequal": ((slice(0, 1), slice(1, 6)), (6, 3, 4), None),
}


def main(out: Path) -> None:
    """Compute and save the results of this rank in the folder ``out``."""
    torch.set_num_threads(1)
    dist.init_dist("pytorch", backend="gloo")
    rank = dist.get_rank()
    result: dict[str, Any] = {"gather": gather(PARTS[rank])}
    for case, (parts, shape, momentum) in SYNC_CASES.items():
        result[f"sync_bn {case}"] = sync_bn(parts[rank], shape, momentum)
    for name in TINY:
        model, batch = make(name)
        ddp = DistributedDataParallel(model, broadcast_buffers=False)
        result[name] = two_steps(ddp, model, pick(batch, PARTS[rank]))
    torch.save(result, out / f"rank{rank}.pt")
    dist.destroy()


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main(Path(sys.argv[1]))
