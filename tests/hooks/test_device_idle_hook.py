"""Idle time: waiting for data and hooks on a CPU; gaps between events on a GPU, read late."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmcv.runner import Hook
from mmcv.runner.hooks import iter_timer
from torch import nn

from mmselfsup.apis.training.hooks import register_default_hooks
from mmselfsup.core.hooks import DeviceIdleHook, DistOptimizerHook
from mmselfsup.core.hooks import throughput_hooks as module
from mmselfsup.core.runner import TensorLogBuffer

Make = Callable[..., Any]


class Clock:
    """Replaces the clock and a GPU's queue: what is put into the queue ends at ``free``."""

    def __init__(self) -> None:
        self.host, self.free = 0.0, 0.0
        self.reads = 0

    def perf_counter(self) -> float:
        return self.host

    def launch(self, seconds: float) -> None:
        self.free = max(self.free, self.host) + seconds

    def event(self, enable_timing: bool) -> Any:
        assert enable_timing
        clock = self

        class Event:
            def record(self) -> None:
                self.at = max(clock.free, clock.host)

            def synchronize(self) -> None:
                clock.reads += 1

            def elapsed_time(self, end: Any) -> float:
                return 1000 * (end.at - self.at)

        return Event()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(torch.cuda, "Event", clock.event)
    return clock


def drive(
    clock: Clock, device: str, wait: float, step: float, hooks: float, loader: Any = None
) -> list[Any]:
    """Three iterations; the device works for ``step``. Gives the idle times as they are kept."""
    model = SimpleNamespace(
        parameters=lambda: [SimpleNamespace(device=torch.device(device))], buffers=list
    )
    runner = SimpleNamespace(
        model=model, data_loader=loader or SimpleNamespace(), log_buffer=TensorLogBuffer()
    )
    hook = DeviceIdleHook()
    hook.before_train_epoch(runner)
    for _ in range(3):
        clock.host += wait
        for heard in getattr(runner.data_loader, "listeners", []):
            heard()
            clock.host += 5 * wait  # work of the loader on the device
        hook.before_train_iter(runner)
        if device == "cpu":
            clock.host += step
        else:
            clock.launch(step)
        hook.after_train_iter(runner)
        clock.host += hooks
    kept: list[Any] = runner.log_buffer.val_history["idle_time"]
    return kept


def test_on_a_cpu(clock: Clock) -> None:
    assert drive(clock, "cpu", wait=1, step=10, hooks=2) == [1, 3, 3]


def test_on_a_gpu_that_is_ahead_of_the_host(clock: Clock) -> None:
    idle = drive(clock, "cuda", wait=4, step=1, hooks=2)
    assert clock.reads == 0, "nothing is read, so nothing waits, in the loop"
    assert [float(value) for value in idle] == [4, 5, 5]
    assert clock.reads == 3


def test_on_a_gpu_that_is_behind_the_host(clock: Clock) -> None:
    idle = drive(clock, "cuda", wait=1, step=100, hooks=2)
    assert [float(value) for value in idle] == [1, 0, 0]


def test_a_loader_that_works_on_the_device(clock: Clock) -> None:
    loader = SimpleNamespace(listeners=[])
    assert drive(clock, "cpu", wait=1, step=10, hooks=2, loader=loader) == [1, 3, 3]
    assert len(loader.listeners) == 1


def test_work_that_began_beside_the_step_leaves_no_gap(clock: Clock) -> None:
    begin, end = (clock.event(enable_timing=True) for _ in range(2))
    end.record()  # in the side stream
    clock.host = 3
    begin.record()
    assert float(module.Gap(begin, end)) == 0


def test_read_when_a_line_is_written(clock: Clock) -> None:
    buffer = TensorLogBuffer()
    events = [clock.event(enable_timing=True) for _ in range(2)]
    events[0].record()
    clock.host = 3
    events[1].record()
    buffer.update({"idle_time": module.Gap(*events)})
    buffer.update({"idle_time": 1.0})
    assert clock.reads == 0
    buffer.average()
    assert buffer.output["idle_time"] == 2


class Begin(Hook):  # type: ignore[misc]
    """Moves the clock on: a step takes 1 s."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def before_train_iter(self, runner: Any) -> None:
        self.clock.host += 1


class Slow(Begin):
    """Takes 3 s behind each step, as a checkpoint does."""

    def before_train_iter(self, runner: Any) -> None:
        pass

    def after_train_iter(self, runner: Any) -> None:
        self.clock.host += 3


@pytest.mark.parametrize(("priority", "share"), [("NORMAL", 0), ("LOW", 0.75)])
def test_on_every_log_line(
    tmp_path: Path,
    make_runner: Make,
    make_loader: Make,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    priority: str,
    share: float,
) -> None:
    monkeypatch.setattr(iter_timer, "time", SimpleNamespace(time=clock.perf_counter))
    runner = make_runner(epochs=2)
    log = dict(interval=2, hooks=[dict(type="TextLoggerHook")])
    runner.register_training_hooks(
        lr_config=dict(policy="fixed"), optimizer_config=DistOptimizerHook(), log_config=log
    )
    runner.register_hook(Begin(clock), priority="VERY_LOW")
    runner.register_hook(Slow(clock), priority=priority)
    register_default_hooks(runner, log)
    runner.run([make_loader(length=16)], [("train", 1)])
    (file,) = tmp_path.glob("*.log.json")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    fractions = [line["idle_share"] for line in lines if line.get("mode") == "train"]
    assert len(fractions) == 4
    assert all(0 <= fraction <= 1 for fraction in fractions)
    # The first line of an epoch has one gap behind a step for two steps.
    assert fractions[1::2] == [share, share]


def test_by_iterations(tmp_path: Path, make_runner: Make, make_loader: Make) -> None:
    runner = make_runner(iters=4)
    log = dict(interval=1, hooks=[dict(type="TextLoggerHook", by_epoch=False)])
    runner.register_training_hooks(
        lr_config=dict(policy="fixed"), optimizer_config=DistOptimizerHook(), log_config=log
    )
    register_default_hooks(runner, log)
    runner.run([make_loader(length=8)], [("train", 1)])  # goes round twice
    (file,) = tmp_path.glob("*.log.json")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    fractions = [line["idle_share"] for line in lines if line.get("mode") == "train"]
    assert len(fractions) == 4
    assert all(0 <= fraction <= 1 for fraction in fractions)


def test_nothing_to_measure_on_is_no_trouble(clock: Clock) -> None:
    runner = SimpleNamespace(
        model=nn.Identity(), data_loader=object(), log_buffer=TensorLogBuffer()
    )
    hook = DeviceIdleHook()
    hook.before_train_epoch(runner)
    hook.before_train_iter(runner)
    assert runner.log_buffer.val_history["idle_time"] == [0]
