"""The training ends, or the learning rate falls, when a metric stops improving."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmselfsup.core.hooks import CheckpointHook, DistOptimizerHook, EvalHook
from mmselfsup.core.hooks.plateau_hooks import (
    EarlyStoppingHook,
    Plateau,
    ReduceLROnPlateauLrUpdaterHook,
)
from mmselfsup.utils.errors import ArgumentError, UserError

Make = Callable[..., Any]


@pytest.mark.parametrize(
    ("options", "values", "plateaus"),
    [
        (dict(monitor="accuracy", patience=2), [0.5, 0.4, 0.5, 0.6], [0, 0, 1, 0]),
        (dict(monitor="val_loss", patience=1), [0.5, 0.6, 0.4], [0, 1, 0]),
        (dict(monitor="x", rule="less", patience=1), [3, 2, 2], [0, 0, 1]),
        (dict(monitor="recall_glossitis", patience=1), [0.5, 0.6, 0.6], [0, 0, 1]),
        (dict(monitor="auc", patience=1, min_delta=0.1), [0.5, 0.55, 0.65], [0, 1, 0]),
        (dict(monitor="auc", patience=2), [0.5, float("nan"), float("nan")], [0, 0, 1]),
    ],
)
def test_plateau(options: dict[str, Any], values: list[float], plateaus: list[int]) -> None:
    plateau = Plateau(**options)
    assert [plateau.see({plateau.monitor: value}) for value in values] == plateaus


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(monitor="x", patience=1), "say by rule="),
        (dict(monitor="accuracy_loss", patience=1), "say by rule="),
        (dict(monitor="auc", patience=0), "patience must be"),
        (dict(monitor="auc", patience=1, rule="more"), "rule must be"),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        Plateau(**options)


def train(runner: Any, make_loader: Make, scores: list[float], hook: Any, **config: Any) -> Any:
    val = make_loader()
    val.dataset.scores = list(scores)
    runner.register_training_hooks(
        lr_config=config.get("lr_config"), optimizer_config=DistOptimizerHook()
    )
    if hook is not None:
        runner.register_hook(hook)
    runner.register_hook(EvalHook(val, interval=1), priority="LOW")
    runner.register_checkpoint_hook(CheckpointHook(interval=100, save_backbone=False))
    if "resume" in config:
        runner.resume(config["resume"])
    runner.run([make_loader()], [("train", 1)])
    return runner


def test_early_stopping_and_its_resume(
    tmp_path: Path, make_runner: Make, make_loader: Make
) -> None:
    scores = [0.2, 0.6, 0.5, 0.6, 0.9]
    stopping = EarlyStoppingHook(monitor="accuracy", patience=2)
    runner = train(make_runner(epochs=9), make_loader, scores, stopping)
    assert runner.epoch == 4
    last = tmp_path / "epoch_4.pth"
    assert last.is_file(), "the last checkpoint, whatever the interval"
    again = EarlyStoppingHook(monitor="accuracy", patience=2)
    assert train(make_runner(epochs=9), make_loader, scores, again, resume=str(last)).epoch == 4
    longer = EarlyStoppingHook(monitor="accuracy", patience=3)
    assert train(make_runner(epochs=9), make_loader, [0.1], longer, resume=str(last)).epoch == 5


def test_rate_falls_on_plateaus(make_runner: Make, make_loader: Make) -> None:
    policy = dict(
        policy="ReduceLROnPlateau", monitor="accuracy", patience=1, factor=0.5, min_lr=0.03
    )
    rates: list[float] = []

    class Rates(EarlyStoppingHook):
        def before_train_iter(self, runner: Any) -> None:
            rates.append(runner.current_lr()[0])

    hook = Rates(monitor="accuracy", patience=99)
    scores = [0.2, 0.1, 0.3, 0.1, 0.1]
    runner = train(make_runner(epochs=6, lr=0.1), make_loader, scores, hook, lr_config=policy)
    per_epoch = len(rates) // 6
    assert rates[::per_epoch] == pytest.approx([0.1, 0.1, 0.05, 0.05, 0.03, 0.03])
    updater = next(h for h in runner.hooks if isinstance(h, ReduceLROnPlateauLrUpdaterHook))
    fresh = ReduceLROnPlateauLrUpdaterHook(monitor="accuracy")
    fresh.load_state_dict(updater.state_dict())
    assert (fresh.falls, fresh.plateau.best) == (updater.falls, updater.plateau.best)


def test_no_evaluation_and_unknown_metric(make_runner: Make, make_loader: Make) -> None:
    runner = make_runner()
    runner.register_hook(DistOptimizerHook())
    runner.register_hook(EarlyStoppingHook())
    with pytest.raises(UserError, match="EarlyStoppingHook needs evaluation"):
        runner.run([make_loader()], [("train", 1)])
    with pytest.raises(UserError, match="monitor='f1' is not measured; there are accuracy"):
        train(make_runner(), make_loader, [], EarlyStoppingHook(monitor="f1"))
    with pytest.raises(ArgumentError, match="factor must lie between"):
        ReduceLROnPlateauLrUpdaterHook(factor=2.0)
