"""The average of the weights, and the probe before the fine-tuning."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmcv import Config
from mmcv.runner import Hook
from torch import nn

from mmselfsup.apis.training.hooks import register_custom_hook, register_hooks
from mmselfsup.core.hooks import (
    CheckpointHook,
    DistOptimizerHook,
    EvalHook,
    ProbeFirstHook,
    WeightAverageHook,
)
from mmselfsup.core.runner import EpochBasedRunner, IterBasedRunner
from mmselfsup.models import build_algorithm
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.module import in_eval_mode
from tests.contract.tiny_models import TINY
from tests.runner.fakes import make_loader as numbers_loader
from tests.runner.fakes import make_runner as numbers_runner

Make = Callable[..., Any]


class Spy(Hook):  # type: ignore[misc]
    """Copies the weights after every step."""

    def __init__(self) -> None:
        self.steps: list[dict[str, Any]] = []

    def after_train_iter(self, runner: Any) -> None:
        self.steps.append({k: v.clone() for k, v in runner.model.state_dict().items()})


def test_average_equals_the_loop(make_runner: Make, make_loader: Make) -> None:
    runner, spy, hook = make_runner(epochs=3), Spy(), WeightAverageHook(momentum=0.6)
    start = {k: v.clone().double() for k, v in runner.model.state_dict().items()}
    for one in (DistOptimizerHook(), spy, hook):
        runner.register_hook(one)
    runner.run([make_loader()], [("train", 1)])
    for t, step in enumerate(spy.steps):
        m = min(0.6, (1 + t) / (10 + t))
        start = {k: m * start[k] + (1 - m) * v.double() for k, v in step.items()}
    for name, value in hook.average.items():
        if value.is_floating_point():
            torch.testing.assert_close(value.double(), start[name], rtol=1e-5, atol=1e-6)
        else:
            assert torch.equal(value, spy.steps[-1][name])
    saved = torch.load(Path(runner.work_dir) / "averaged.pth", weights_only=True)
    for name, value in saved["state_dict"].items():
        assert torch.equal(value, hook.average[name])
    for name, value in runner.model.state_dict().items():
        assert torch.equal(value, spy.steps[-1][name])  # the training has its own back


def test_evaluation_and_best_checkpoint_see_the_average(
    make_runner: Make, make_loader: Make
) -> None:
    runner, val, hook = make_runner(epochs=2), make_loader(), WeightAverageHook(0.5)
    seen = []

    def test_fn(model: Any, loader: Any) -> dict[str, Any]:
        seen.append(all(torch.equal(v, hook.average[k]) for k, v in model.state_dict().items()))
        return {"head0": torch.eye(2)[torch.as_tensor(loader.dataset.gt_labels)].numpy()}

    val.dataset.scores = [0.5, 0.9]
    runner.register_hook(DistOptimizerHook())
    runner.register_hook(hook)
    runner.register_hook(EvalHook(val, test_fn=test_fn, save_best="accuracy"), priority="LOW")
    runner.run([make_loader()], [("train", 1)])
    assert seen == [True, True]
    best = torch.load(Path(runner.work_dir) / "best_accuracy_epoch_2.pth", weights_only=True)
    assert all(torch.equal(v, hook.average[k]) for k, v in best["state_dict"].items())


def test_queues_and_memory_banks_are_not_averaged(make_runner: Make, make_loader: Make) -> None:
    runner, hook = make_runner(epochs=1), WeightAverageHook(0.5)
    model = runner.model
    model.register_buffer("queue", torch.ones(4, 8))
    weights = {k for k in model.state_dict() if k != "queue"}
    # The state of a hook of an earlier version has the queue.
    hook.load_state_dict({"updates": 3, "average": {**model.state_dict()}})
    runner.register_hook(DistOptimizerHook())
    runner.register_hook(hook)
    runner.run([make_loader()], [("train", 1)])
    assert set(hook.average) == weights
    model.queue.fill_(7)
    with hook.evaluation_weights(runner):
        assert bool((model.queue == 7).all())
    saved = torch.load(Path(runner.work_dir) / "averaged.pth", weights_only=True)["state_dict"]
    assert set(saved) == weights | {"queue"}


def test_what_checkpoints_leave_out_is_not_averaged() -> None:
    model = build_algorithm(TINY["Distillation"].cfg)
    runner = SimpleNamespace(model=model, hooks=[], iter=0, max_iters=2)
    hook = WeightAverageHook(momentum=0.5)
    hook.before_run(runner)
    assert hook.state_dict()["average"].keys() <= model.state_dict().keys()
    assert any(name.startswith("backbone.") for name in hook.average)
    hook.after_train_iter(runner)
    with hook.evaluation_weights(runner):
        pass


@pytest.mark.parametrize("kind", ["epochs", "iters"])
def test_resumed_average_is_the_same(kind: str, tmp_path: Path) -> None:
    cls, unit = (EpochBasedRunner, 3) if kind == "epochs" else (IterBasedRunner, 1)

    def run(name: str, length: int, resume: str | None = None) -> tuple[Any, WeightAverageHook]:
        runner = numbers_runner(cls, str(tmp_path / name), **{f"max_{kind}": 4})
        runner._max_epochs = length if kind == "epochs" else None
        runner._max_iters = length if kind == "iters" else length * unit
        runner.register_hook(
            CheckpointHook(interval=1, by_epoch=kind == "epochs"), priority="NORMAL"
        )
        register_custom_hook(runner, dict(type="WeightAverageHook", momentum=0.9), [], False)
        if resume:
            runner.resume(resume)
        torch.manual_seed(5)
        runner.run([numbers_loader()], [("train", 1)])
        return runner, next(h for h in runner.hooks if isinstance(h, WeightAverageHook))

    _, whole = run("whole", 4)
    # The same run, taken up in the middle.
    stem = "epoch_2" if kind == "epochs" else "iter_2"
    _, resumed = run("resumed", 4, str(tmp_path / "whole" / f"{stem}.pth"))
    assert whole.updates == resumed.updates
    for name, value in whole.average.items():
        assert torch.equal(value, resumed.average[name]), name


def test_priority_of_the_class_and_of_the_config() -> None:
    for config, priority in ((dict(), 45), (dict(priority="LOW"), 70)):
        runner = numbers_runner(EpochBasedRunner, max_epochs=1)
        register_custom_hook(runner, dict(type="WeightAverageHook", **config), [], False)
        hook = next(h for h in runner.hooks if isinstance(h, WeightAverageHook))
        assert hook.priority == priority
    with pytest.raises(ValueError, match="momentum must be"):
        WeightAverageHook(1.0)


def test_probe_first(make_runner: Make, make_loader: Make) -> None:
    runner, spy = make_runner(epochs=3), Spy()
    start = {k: v.clone() for k, v in runner.model.state_dict().items()}
    for one in (DistOptimizerHook(), ProbeFirstHook(epochs=2), spy):
        runner.register_hook(one)
    loader = make_loader()
    runner.run([loader], [("train", 1)])
    probe = 2 * len(loader)
    for number, step in enumerate(spy.steps):
        moved = [k for k, v in step.items() if k.startswith("backbone") and (v != start[k]).any()]
        assert bool(moved) == (number >= probe), (number, moved)
        assert not torch.equal(step["head.weight"], start["head.weight"])


def test_an_evaluation_inside_an_epoch_leaves_the_probe_frozen(
    make_runner: Make, make_loader: Make
) -> None:
    runner, spy = make_runner(epochs=1), Spy()
    start = {k: v.clone() for k, v in runner.model.state_dict().items()}
    evaluation = EvalHook(make_loader(), interval=1, by_epoch=False)
    for one in (DistOptimizerHook(), ProbeFirstHook(epochs=1), evaluation, spy):
        runner.register_hook(one)
    runner.run([make_loader(length=16)], [("train", 1)])
    assert len(spy.steps) == 4
    assert runner.model.training
    for name, value in spy.steps[-1].items():
        if name.startswith("backbone"):
            assert torch.equal(value, start[name]), name


def test_parts_that_switch_with_the_mode_are_told_of_both_switches() -> None:
    class Merging(nn.Module):
        """Merges in eval mode, as loralib does."""

        def train(self, mode: bool = True) -> Merging:
            self.merged = not mode
            return super().train(mode)

    model = nn.Sequential(Merging(), nn.Dropout())
    model[1].eval()  # frozen on purpose
    with in_eval_mode(model):
        assert model[0].merged
    assert not model[0].merged
    assert [part.training for part in model.modules()] == [True, True, False]


def test_probe_needs_its_part_and_a_hook_that_steps() -> None:
    model = torch.nn.Linear(1, 1)
    for hooks in ([DistOptimizerHook()], []):
        runner = SimpleNamespace(model=model, hooks=hooks)
        with pytest.raises(UserError, match=r"ProbeFirstHook needs model\.backbone"):
            ProbeFirstHook(1).before_run(runner)
    with pytest.raises(ValueError, match="epochs must be"):
        ProbeFirstHook(-1)


def test_by_config() -> None:
    runner = numbers_runner(EpochBasedRunner, max_epochs=1)
    cfg = Config(
        dict(
            data={},
            custom_hooks=[dict(type="ProbeFirstHook", epochs=1), dict(type="WeightAverageHook")],
        )
    )
    register_hooks(runner, cfg, [], False)
    names = [type(hook).__name__ for hook in runner.hooks]
    assert names.index("DistOptimizerHook") < names.index("WeightAverageHook")
