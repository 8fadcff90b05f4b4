"""The groups and the loss of SMoG against a slow loop, and their clustering."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmselfsup.core.hooks import SMoGHook
from mmselfsup.models import build_head
from mmselfsup.utils.data_info import DataInfo
from mmselfsup.utils.errors import ArgumentError, UserError
from tests.contract.tiny_models import PREDICTOR

CFG = {"type": "SMoGHead", "feat_dim": 4, "predictor": PREDICTOR, "num_groups": 3, "queue_len": 8}


def dot(a: Any, b: Any) -> float:
    return sum(float(x) * float(y) for x, y in zip(a, b, strict=True))


def unit(a: Any) -> list[float]:
    length = math.sqrt(dot(a, a))
    return [float(x) / length for x in a]


def nearest(z: Any, groups: list[list[float]]) -> int:
    return max(range(len(groups)), key=lambda k: dot(unit(z), groups[k]))


def test_smog_equals_the_loop() -> None:
    torch.manual_seed(0)
    head = build_head({**CFG, "beta": 0.7, "temperature": 0.2}).double()
    groups = head.groups.tolist()
    for _ in range(2):
        first, second = torch.randn(2, 6, 4, dtype=torch.float64)
        targets = [nearest(z, groups) for z in second]
        moved = []
        for k, group in enumerate(groups):
            own = [unit(z) for z in first if nearest(z, groups) == k]
            mean = [sum(column) / len(own) for column in zip(*own, strict=True)] if own else group
            moved.append(unit([0.7 * g + 0.3 * m for g, m in zip(group, mean, strict=True)]))
        total = 0.0
        for p, target in zip(head.predictor([first])[0].detach(), targets, strict=True):
            scores = [math.exp(dot(unit(p), group) / 0.2) for group in moved]
            total -= math.log(scores[target] / sum(scores)) / 6
        got = head(first, second)
        assert got["loss"].item() == pytest.approx(total, rel=1e-9)
        assert got["used_groups"].item() == pytest.approx(len(set(targets)) / 3)
        torch.testing.assert_close(head.groups, head.groups.new_tensor(moved))
        groups = moved
    head.eval()(first, second)
    torch.testing.assert_close(head.groups, head.groups.new_tensor(groups))


def test_the_gradient_passes_the_groups() -> None:
    torch.manual_seed(0)
    head = build_head(CFG).double().eval()
    head.predictor = nn.Identity()
    head.predictor.forward = lambda x: [x[0].detach()]  # only the way through the groups is left
    first = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    head(first, torch.randn(6, 4, dtype=torch.float64))["loss"].backward()
    assert first.grad is not None
    assert float(first.grad.abs().sum()) > 0


def test_a_clustering_spreads_the_groups() -> None:
    torch.manual_seed(0)
    head = build_head({**CFG, "queue_len": 12})
    centres = torch.eye(4)[:3]
    head.others.push(centres.repeat(4, 1) + 0.01 * torch.randn(12, 4))
    head.groups.copy_(torch.eye(4)[[3, 3, 3]])
    head.regroup()
    cosines = head.groups @ centres.T
    torch.testing.assert_close(head.groups.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(cosines.amax(dim=0), torch.ones(3), atol=1e-3, rtol=0)


def run(hook: SMoGHook, head: Any, iterations: int, start: int = 0, last: int = 3) -> list[int]:
    """Return the iterations that cluster; each third batch has ``last`` images, others 3."""
    calls: list[int] = []
    head.regroup = lambda: calls.append(runner.iter + 1)
    runner = SimpleNamespace(model=SimpleNamespace(head=head), iter=start, world_size=1)
    hook.before_run(runner)
    for runner.iter in range(start, iterations):
        runner.outputs = {"num_samples": last if runner.iter % 3 == 2 else 3}
        hook.after_train_iter(runner)
    return calls


def test_the_hook_clusters_full_queues() -> None:
    hook = SMoGHook(interval=4)
    hook.fit_dataset(DataInfo(num_images=100, batch_size=3))
    assert run(hook, build_head({**CFG, "queue_len": 14}), 13) == [5, 8, 12]


def test_the_hook_counts_smaller_batches_at_the_end_of_an_epoch() -> None:
    """Otherwise the first groups would be made of random vectors that the queue starts with."""
    hook, size = SMoGHook(interval=100), DataInfo(num_images=7, batch_size=3)
    hook.fit_dataset(size)
    head = build_head({**CFG, "queue_len": 14})
    assert run(hook, head, 13, last=1) == [6]  # 3 + 3 + 1 + 3 + 3 + 1
    assert run(hook, head, 13, last=1) == [6]  # another run with this hook
    run(hook, head, 4, last=1)
    resumed = SMoGHook(interval=100)
    resumed.fit_dataset(size)
    resumed.load_state_dict(hook.state_dict())
    assert run(resumed, head, 13, start=4, last=1) == [6]


def test_faults() -> None:
    for bad in ({"num_groups": 1}, {"beta": 1.5}):
        with pytest.raises(ArgumentError, match="num_groups must be from 2 and beta"):
            build_head({**CFG, **bad})
    with pytest.raises(UserError, match="interval is 0"):
        SMoGHook(interval=0)
    with pytest.raises(UserError, match=r"8 projections in the queue can't make 9 groups: lower"):
        run(SMoGHook(), build_head({**CFG, "num_groups": 9}), 1)
    with pytest.raises(UserError, match="SMoGHook needs SMoGHead in the model"):
        SMoGHook().before_run(SimpleNamespace(model=SimpleNamespace(head=F)))
