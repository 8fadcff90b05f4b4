"""Runs as one of two gloo processes: ``two_ranks.py OUT`` with torchrun's variables set.

It does everything that the tests of this folder compare with one process, because starting two
processes takes longer than all the work; ``OUT/rank<r>.pt`` holds what came out.
"""

import os
import sys
from pathlib import Path
from typing import Any

import torch
from tiny_models import TINY
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from mmselfsup.models import build_algorithm
from mmselfsup.models.utils import GatherLayer, SyncBatchNorm
from mmselfsup.utils import dist

#: Images of the joined batch, and which of them each rank gets.
JOINED, SHARES = 6, (slice(0, 3), slice(3, 6))


def pick(batch: dict[str, Any], share: slice) -> dict[str, Any]:
    """A share of a batch."""
    return {
        key: [view[share] for view in value] if isinstance(value, list) else value[share]
        for key, value in batch.items()
    }


def make(name: str) -> tuple[nn.Module, dict[str, Any]]:
    """The tiny model of an algorithm in double precision, and its joined batch."""
    torch.manual_seed(0)
    model = build_algorithm(TINY[name].cfg)
    model.init_weights()
    TINY[name].prepare(model)
    batch = TINY[name].batch(JOINED, torch.Generator().manual_seed(1))
    img = batch["img"]
    batch["img"] = [v.double() for v in img] if isinstance(img, list) else img.double()
    return model.double().train(), batch


def two_steps(call: nn.Module, model: nn.Module, batch: dict[str, Any]) -> dict[str, Any]:
    """Train two steps; the losses of both, the gradients of the first, the weights at the end."""
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


def gather(share: slice) -> dict[str, Any]:
    """The gradient that GatherLayer brings back when the ranks weigh the rows differently."""
    x = torch.arange(12.0).reshape(6, 2)[share].requires_grad_()
    parts = GatherLayer.apply(x)
    weight = torch.arange(6.0)[:, None] * (dist.get_rank() + 1)
    (torch.cat(parts) * weight).sum().backward()
    return {"parts": [p.detach() for p in parts], "grad": x.grad}


def sync_bn(share: slice, shape: tuple[int, ...], momentum: float | None) -> dict[str, Any]:
    """One training step of the layer on a share of a batch."""
    torch.manual_seed(0)
    layer = SyncBatchNorm(3, momentum=momentum).double()
    nn.init.uniform_(layer.weight)
    x = torch.rand(shape, dtype=torch.float64)
    target = torch.rand(shape, dtype=torch.float64)[share]
    x = x[share].clone().requires_grad_()
    y = layer(x)
    (y * target).sum().backward()
    weight_grad = dist.all_reduce(layer.weight.grad)
    return {"y": y.detach(), "x": x.grad, "weight": weight_grad, "state": layer.state_dict()}


#: Shares of different size, inputs of several dimensions.
SYNC_CASES = {
    "vectors": (SHARES, (6, 3), 0.1),
    "maps": (SHARES, (6, 3, 4, 5), 0.1),
    "unequal": ((slice(0, 1), slice(1, 6)), (6, 3, 4), None),
}


def main(out: Path) -> None:
    """Do all the work of one rank."""
    torch.set_num_threads(1)
    dist.init_dist("pytorch", backend="gloo")
    rank = dist.get_rank()
    result: dict[str, Any] = {"gather": gather(SHARES[rank])}
    for case, (shares, shape, momentum) in SYNC_CASES.items():
        result[f"sync_bn {case}"] = sync_bn(shares[rank], shape, momentum)
    for name in TINY:
        model, batch = make(name)
        ddp = DistributedDataParallel(model, broadcast_buffers=False)
        result[name] = two_steps(ddp, model, pick(batch, SHARES[rank]))
    torch.save(result, out / f"rank{rank}.pt")
    dist.destroy()


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main(Path(sys.argv[1]))
