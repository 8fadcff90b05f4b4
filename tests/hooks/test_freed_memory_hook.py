"""Memory is kept from the second iteration on, once what stays has been made; on a CPU only."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from mmselfsup.core.hooks import DistOptimizerHook, FreedMemoryHook, freed_memory_hook

Make = Callable[..., Any]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The settings of the allocator, recorded instead of applied."""
    made: list[str] = []
    for name in ("keep_blocks_apart", "keep_freed_memory"):
        monkeypatch.setattr(freed_memory_hook, name, lambda name=name: made.append(name))
    return made


def run(runner: Any, loader: Any) -> None:
    """A training with an optimizer that has momentum."""
    runner.optimizer = torch.optim.SGD(runner.model.parameters(), lr=0.1, momentum=0.9)
    hook = FreedMemoryHook()
    runner.register_hook(DistOptimizerHook(), priority="ABOVE_NORMAL")
    runner.register_hook(hook, priority=hook.default_priority)
    runner.run([loader], [("train", 1)])


@pytest.mark.parametrize("iters", [None, 3])
def test_only_the_first_iteration_is_apart(
    iters: int | None,
    make_runner: Make,
    make_loader: Make,
    calls: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runner = make_runner(iters=iters)
    with_state: list[int] = []
    keep = freed_memory_hook.keep_freed_memory

    def kept() -> None:
        with_state.append(len(runner.optimizer.state))
        keep()

    monkeypatch.setattr(freed_memory_hook, "keep_freed_memory", kept)
    run(runner, make_loader(length=16))
    assert runner.iter > 1
    assert calls == ["keep_blocks_apart", "keep_freed_memory"]
    assert with_state == [len(list(runner.model.parameters()))], "the momentum is there by then"


def test_a_gpu_has_an_allocator_of_its_own(
    make_runner: Make, make_loader: Make, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freed_memory_hook, "default_device", lambda: torch.device("cuda", 0))
    run(make_runner(), make_loader())
    assert calls == []
