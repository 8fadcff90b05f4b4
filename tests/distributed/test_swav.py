"""SwAV and relative location on two ranks: what one process does on the joined batch."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.testing import assert_close

from mmselfsup.models import build_algorithm
from mmselfsup.models.heads import SwAVHead
from mmselfsup.utils.distributed_sinkhorn import distributed_sinkhorn
from tests.distributed.ranks import run_ranks

VIEWS, IMAGES, WIDTH = 3, 6, 4


def unit(*shape: int, seed: int) -> Tensor:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(x, dim=-1)


def codes(rank: int, shares: list[slice]) -> Tensor:
    # A prototype far from all samples of a rank: 0.x reduced over the ranks only then.
    scores = unit(IMAGES, WIDTH, seed=0) @ unit(5, WIDTH, seed=1).T
    scores[:3, 2] = -40
    return distributed_sinkhorn(scores[shares[rank]], 3, len(shares), 0.05)


@pytest.mark.parametrize("cut", [3, 1])
def test_sinkhorn(cut: int, tmp_path: Path) -> None:
    joined = codes(0, [slice(0, IMAGES)])
    parts = run_ranks(codes, tmp_path, [slice(0, cut), slice(cut, IMAGES)])
    assert_close(torch.cat(parts), joined, rtol=1e-9, atol=1e-12)


def train_head(rank: int, world: int, length: int) -> dict[str, Any]:
    """Five steps of a head with a queue on a share of each batch."""
    torch.manual_seed(0)
    head = SwAVHead(WIDTH, num_crops=[2, 1], num_prototypes=5).double()
    head.queue = torch.zeros(2, length, WIDTH, dtype=torch.float64)
    model = DistributedDataParallel(head) if world > 1 else head
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
    losses, grads = [], []
    own = slice(rank * IMAGES // world, (rank + 1) * IMAGES // world)
    for step in range(5):
        optimizer.zero_grad()
        loss = model(unit(VIEWS, IMAGES, WIDTH, seed=step)[:, own].flatten(0, 1))["loss"]
        loss.backward()
        losses.append(loss.item())
        grads.append(head.prototypes.weight.grad.clone())
        optimizer.step()
    return dict(losses=losses, grads=grads, queue=head.queue, weight=head.prototypes.weight)


@pytest.mark.parametrize("length", [4, 15])
def test_queue(length: int, tmp_path: Path) -> None:
    """Shorter than a joined batch, and one that neither batches nor ranks divide."""
    expected = train_head(0, 1, length)
    first, second = run_ranks(train_head, tmp_path, 2, length)
    assert torch.equal(first["queue"], second["queue"])
    assert_close(first["queue"], expected["queue"])
    mean = [(a + b) / 2 for a, b in zip(first["losses"], second["losses"], strict=True)]
    assert mean == pytest.approx(expected["losses"], rel=1e-9)
    assert_close(first["grads"], expected["grads"], rtol=1e-7, atol=1e-12)
    assert_close(first["weight"], expected["weight"], rtol=1e-7, atol=1e-12)


def step_of_pairs(rank: int, world: int) -> dict[str, Any]:
    """The gradient of relative location without its dropout, with synchronised statistics."""
    norm = {"type": "SyncBN"}
    size = {"stem_channels": 4, "base_channels": 4}
    cfg = {
        "type": "RelativeLoc",
        "backbone": {"type": "ResNet", "depth": 18, **size, "norm_cfg": norm},
        "neck": {
            "type": "RelativeLocNeck",
            "in_channels": 32,
            "out_channels": 8,
            "norm_cfg": norm,
        },
        "head": {"type": "ClsHead", "in_channels": 8, "num_classes": 8},
    }
    torch.manual_seed(0)
    module = build_algorithm(cfg).double()
    module.neck.dropout.p = 0.0
    model = DistributedDataParallel(module, broadcast_buffers=False) if world > 1 else module
    own = slice(rank * 4 // world, (rank + 1) * 4 // world)
    img = torch.rand(4, 8, 6, 16, 16, dtype=torch.float64)[own]
    loss = model(img=img, patch_label=torch.arange(8).repeat(len(img), 1))["loss"]
    loss.backward()
    return dict(loss=loss.item(), grads={k: p.grad for k, p in module.named_parameters()})


def test_relative_location(tmp_path: Path) -> None:
    expected = step_of_pairs(0, 1)
    first, second = run_ranks(step_of_pairs, tmp_path, 2)
    assert (first["loss"] + second["loss"]) / 2 == pytest.approx(expected["loss"], rel=1e-9)
    assert_close(first["grads"], expected["grads"], rtol=1e-6, atol=1e-10)
