"""A stop by a signal: all ranks after one step, with a checkpoint that resumes to the same bits."""

import time
from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv.runner import HOOKS, Hook

from mmselfsup.core.hooks import StopHook
from mmselfsup.core.hooks.stop_hook import StopVote
from mmselfsup.core.runner import EpochBasedRunner, IterBasedRunner
from mmselfsup.utils import dist, signals
from mmselfsup.utils.errors import STOPPED, Stopped
from tests.distributed.ranks import run_ranks
from tests.runner.fakes import make_loader, make_runner, weights

EPOCH = dict(max_epochs=3)
RUNNERS = {"max_epochs": EpochBasedRunner, "max_iters": IterBasedRunner}


@pytest.fixture(autouse=True)
def no_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals._state, "request", None)


class Signal(Hook):  # type: ignore[misc]
    """A signal in an iteration, or at the end of an epoch."""

    def __init__(self, iteration: int | None = None, epoch: int | None = None) -> None:
        self.iteration, self.epoch = iteration, epoch

    def before_train_iter(self, runner: Any) -> None:
        if runner.iter == self.iteration:
            signals._state.request = "SIGTERM"

    def after_train_epoch(self, runner: Any) -> None:
        if runner.epoch == self.epoch:
            signals._state.request = "SIGTERM"


def prepare(folder: Path, every: int, update_interval: int = 1, **length: int) -> Any:
    (kind,) = length
    torch.manual_seed(5)
    runner = make_runner(RUNNERS[kind], str(folder), **length)
    runner._hooks = [hook for hook in runner.hooks if "OptimizerHook" not in type(hook).__name__]
    runner.register_optimizer_hook(dict(type="DistOptimizerHook", update_interval=update_interval))
    by_epoch = kind == "max_epochs"
    runner.register_checkpoint_hook(dict(interval=every, by_epoch=by_epoch))
    runner.register_hook(StopHook(), priority="LOWEST")
    latest = folder / "latest.pth"
    if latest.exists():
        runner.resume(str(latest))
    return runner


def train(runner: Any) -> Any:
    torch.manual_seed(5)
    runner.run([make_loader()], [("train", 1)])
    return runner


@pytest.mark.parametrize(
    ("length", "when", "update_interval", "iteration"),
    [
        (EPOCH, dict(iteration=4), 1, 5),
        (EPOCH, dict(iteration=5), 1, 6),  # the last one of an epoch: before its evaluation
        (EPOCH, dict(epoch=1), 1, 6),  # after the hooks of the epoch
        (EPOCH, dict(iteration=4), 2, 6),
        (EPOCH, dict(epoch=0), 2, 4),  # the end of the epoch is inside a step
        (dict(max_iters=9), dict(iteration=4), 1, 5),
        (dict(max_iters=9), dict(iteration=4), 4, 8),
    ],
)
def test_stopped_and_called_again_ends_as_one_run(
    length: dict[str, int], when: dict[str, int], update_interval: int, iteration: int,
    tmp_path: Path,
) -> None:  # fmt: skip
    every = 2 if "max_epochs" in length else 6
    parts = dict(every=every, update_interval=update_interval, **length)
    whole = train(prepare(tmp_path / "whole", **parts))
    runner = prepare(tmp_path / "stopped", **parts)
    runner.register_hook(Signal(**when), priority="LOW")
    with pytest.raises(Stopped) as stop:
        train(runner)
    assert stop.value.code == STOPPED
    folder = tmp_path / "stopped"
    assert (folder / "latest.pth").resolve().name in ("stopped.pth", "epoch_2.pth")
    meta = torch.load(folder / "latest.pth", weights_only=True)["meta"]
    assert meta["iter"] == iteration
    signals._state.request = None
    again = train(prepare(folder, **parts))
    pairs = zip(weights(whole), weights(again), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    names = [{path.name for path in (tmp_path / n).iterdir()} for n in ("whole", "stopped")]
    assert names[0] == names[1]


def test_a_state_that_has_a_checkpoint_is_not_written_again(tmp_path: Path) -> None:
    runner = prepare(tmp_path, every=2, **EPOCH)
    runner.register_hook(Signal(epoch=1))
    with pytest.raises(Stopped):
        train(runner)
    assert not (tmp_path / "stopped.pth").exists()
    assert (tmp_path / "latest.pth").resolve().name == "epoch_2.pth"


@pytest.mark.parametrize(
    ("length", "when"), [(EPOCH, dict(epoch=2)), (dict(max_iters=9), dict(iteration=8))]
)
def test_a_run_that_is_complete_ends_as_such(
    length: dict[str, int], when: dict[str, int], tmp_path: Path
) -> None:
    runner = prepare(tmp_path, every=1, **length)
    runner.register_hook(Signal(**when), priority="LOW")
    train(runner)
    assert not (tmp_path / "stopped.pth").exists()


def test_without_checkpoints_there_is_one(tmp_path: Path) -> None:
    runner = make_runner(EpochBasedRunner, str(tmp_path), **EPOCH)
    runner.register_hook(StopHook(), priority="LOWEST")
    runner.register_hook(Signal(iteration=4))
    with pytest.raises(Stopped):
        train(runner)
    assert torch.load(tmp_path / "stopped.pth", weights_only=True)["meta"]["iter"] == 5


def test_a_stopped_checkpoint_of_before_goes_with_the_resume_of_a_newer_one(tmp_path: Path) -> None:
    """As killed between the link to the newer one and the removal."""
    train(prepare(tmp_path, every=1, **EPOCH))
    (tmp_path / "stopped.pth").write_bytes((tmp_path / "epoch_1.pth").read_bytes())
    train(prepare(tmp_path, every=1, **EPOCH))
    assert not (tmp_path / "stopped.pth").exists()
    assert HOOKS.get("StopHook") is StopHook


def _vote(rank: int, wanting: dict[int, int]) -> Any:
    vote, seen = StopVote(seconds=0.02), []
    for step in range(1, 2000):
        time.sleep(0.001 * (rank + 1))  # the second rank is always behind
        wants = wanting.get(rank, 10**6) <= step
        reason = vote(f"rank {rank}" if wants else None, now=step % 50 == 0)
        seen.append(vote._next)
        if reason:
            dist.barrier()
            kept = dist.get_store().check(["question1"])
            dist.barrier()
            return step, reason, len(set(seen)) < step, kept
    return None


@pytest.mark.parametrize("wanting", [{0: 30}, {1: 30}, {0: 31, 1: 30}])
def test_all_ranks_stop_after_the_same_step(wanting: dict[int, int], tmp_path: Path) -> None:
    first, second = run_ranks(_vote, tmp_path, wanting)
    assert first == second
    step, reason, spared, kept = first
    assert step >= 30
    assert reason in {f"rank {rank}" for rank in wanting}
    assert spared  # most steps had no question
    assert not kept  # in the store


def test_alone_the_answer_is_the_question() -> None:
    assert StopVote()("SIGTERM") == "SIGTERM"
    assert StopVote()(None) is None
