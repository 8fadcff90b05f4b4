"""A run that an error ends keeps what it has."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv.runner import Hook

from mmselfsup.core.hooks import CheckpointHook, DistOptimizerHook, StopHook
from mmselfsup.core.hooks.stop_hook import kept_on_error
from mmselfsup.core.runner.log_buffer import NonFiniteLossError

Make = Callable[..., Any]


class Fails(Hook):  # type: ignore[misc]
    """Raise before, or after, the iteration with this number from 0."""

    def __init__(self, at: int, before: bool, error: Exception) -> None:
        self.at, self.before, self.error = at, before, error

    def before_train_iter(self, runner: Any) -> None:
        if self.before and runner.iter == self.at:
            raise self.error

    def after_train_iter(self, runner: Any) -> None:
        if not self.before and runner.iter == self.at:
            raise self.error


def fail(make_runner: Make, make_loader: Make, hook: Any, interval: int = 1, **kw: Any) -> Any:
    runner = make_runner(**kw)
    runner.register_hook(DistOptimizerHook(update_interval=interval), priority="ABOVE_NORMAL")
    runner.register_hook(hook)
    runner.register_checkpoint_hook(
        CheckpointHook(interval=1, by_epoch="epochs" in kw, save_backbone=False)
        if "epochs" in kw
        else CheckpointHook(interval=100, by_epoch=False, save_backbone=False)
    )
    runner.register_hook(StopHook(), priority="LOWEST")
    with pytest.raises(type(hook.error)), kept_on_error(runner):
        runner.run([make_loader(length=16)], [("train", 1)])  # 4 iterations an epoch
    return runner


@pytest.mark.parametrize(
    ("before", "interval", "done"),
    [(True, 1, 6), (False, 1, 7), (True, 4, 4), (False, 4, 4)],
)
def test_state_after_the_last_step(
    before: bool, interval: int, done: int, tmp_path: Path, make_runner: Make, make_loader: Make
) -> None:
    hook = Fails(6, before, RuntimeError("lost"))
    runner = fail(make_runner, make_loader, hook, interval, epochs=3)
    kept = tmp_path / "stopped.pth"
    if done == 4:  # the checkpoint of the first epoch has this state
        assert not kept.exists()
        return
    state = torch.load(kept, weights_only=True)
    assert (state["meta"]["epoch"], state["meta"]["iter"]) == (1, done)
    assert state["meta"]["inner_iter"] == done - 4
    for name, tensor in runner.model.state_dict().items():
        assert torch.equal(tensor, state["state_dict"][name])
    assert (tmp_path / "latest.pth").resolve() == kept.resolve()
    again = make_runner(epochs=3)
    again.resume(str(kept))
    again.register_hook(DistOptimizerHook())
    again.run([make_loader(length=16)], [("train", 1)])
    assert again.iter == 12


def test_iterations(tmp_path: Path, make_runner: Make, make_loader: Make) -> None:
    fail(make_runner, make_loader, Fails(2, True, KeyError("x")), iters=5)
    assert torch.load(tmp_path / "stopped.pth", weights_only=True)["meta"]["iter"] == 2


@pytest.mark.parametrize(
    "hook", [Fails(0, True, RuntimeError("at once")), Fails(6, True, NonFiniteLossError("nan"))]
)
def test_nothing_to_keep(hook: Any, tmp_path: Path, make_runner: Make, make_loader: Make) -> None:
    fail(make_runner, make_loader, hook, epochs=3)
    assert not (tmp_path / "stopped.pth").exists()
