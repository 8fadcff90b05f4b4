"""When the model is measured, what is logged, and which checkpoint is the best."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from mmcv.runner import HOOKS

from mmselfsup.core.hooks import CheckpointHook, DistOptimizerHook, EvalHook
from mmselfsup.core.hooks.eval_hook import show_plots
from mmselfsup.utils.errors import UserError

Make = Callable[..., Any]


def run(runner: Any, train: Any, val: Any, **options: Any) -> None:
    runner.register_hook(DistOptimizerHook())
    runner.register_hook(EvalHook(val, **options), priority="LOW")
    runner.run([train], [("train", 1)])


def best_files(runner: Any) -> list[str]:
    return sorted(path.name for path in Path(runner.work_dir).glob("best_*"))


def test_registered_under_both_names() -> None:
    assert HOOKS.get("EvalHook") is HOOKS.get("DistEvalHook") is EvalHook


def test_interval_and_arguments_of_evaluate(make_runner: Make, make_loader: Make) -> None:
    runner, val = make_runner(epochs=5), make_loader()
    run(runner, make_loader(), val, interval=2, topk=(1, 5))
    assert val.dataset.calls == [dict(topk=(1, 5))] * 2
    assert runner.model.training


def test_own_test_function(make_runner: Make, make_loader: Make) -> None:
    seen = []

    def test_fn(model: Any, loader: Any) -> dict[str, Any]:
        seen.append((model, loader))
        return {"head0": np.eye(2)[loader.dataset.gt_labels]}

    runner, val = make_runner(), make_loader()
    run(runner, make_loader(), val, test_fn=test_fn)
    assert seen == [(runner.model, val)]


def test_metrics_reach_the_loggers(make_runner: Make, make_loader: Make) -> None:
    runner, val = make_runner(), make_loader()
    val.dataset.scores = [0.25]
    outputs = []

    class Logger(HOOKS.get("TextLoggerHook")):  # type: ignore[misc]
        def log(self, runner: Any) -> None:
            if "accuracy" in runner.log_buffer.output:  # the other lines are of the training
                outputs.append((self.get_mode(runner), dict(runner.log_buffer.output)))

    runner.register_hook(Logger(), priority="VERY_LOW")
    run(runner, make_loader(), val)
    assert outputs == [("val", dict(accuracy=0.25, val_loss=0.75, eval_iter_num=2))]


@pytest.mark.parametrize(
    ("options", "scores", "kept"),
    [
        (dict(save_best="accuracy"), [0.2, 0.6, 0.4], "best_accuracy_epoch_2.pth"),
        (dict(save_best="auto"), [0.2, 0.6, 0.7], "best_accuracy_epoch_3.pth"),
        (dict(save_best="val_loss"), [0.2, 0.6, 0.4], "best_val_loss_epoch_2.pth"),
        (dict(save_best="accuracy", rule="less"), [0.2, 0.0, 0.4], "best_accuracy_epoch_2.pth"),
        (dict(save_best="accuracy"), [0.5, float("nan"), 0.5], "best_accuracy_epoch_1.pth"),
        (dict(save_best="accuracy"), [0.0, 0.0, 0.0], "best_accuracy_epoch_1.pth"),
    ],
)
def test_best_checkpoint(
    options: dict[str, Any],
    scores: list[float],
    kept: str,
    make_runner: Make,
    make_loader: Make,
) -> None:
    runner, val = make_runner(epochs=3), make_loader()
    val.dataset.scores = scores
    run(runner, make_loader(), val, **options)
    assert best_files(runner) == [kept]
    state = torch.load(Path(runner.work_dir) / kept, weights_only=True)
    messages = state["meta"]["hook_msgs"]
    assert messages["best_ckpt"] == str(Path(runner.work_dir) / kept)
    assert f"epoch_{state['meta']['epoch']}.pth" in kept


def test_resumed_run_knows_the_best_score(make_runner: Make, make_loader: Make) -> None:
    runner, val = make_runner(epochs=1), make_loader()
    val.dataset.scores = [0.9]
    runner.register_hook(CheckpointHook(interval=1), priority="VERY_LOW")
    run(runner, make_loader(), val, save_best="accuracy")
    resumed = make_runner(epochs=2)
    resumed.resume(str(Path(runner.work_dir) / "latest.pth"))
    val.dataset.scores = [0.8]
    run(resumed, make_loader(), val, save_best="accuracy")
    assert best_files(resumed) == ["best_accuracy_epoch_1.pth"]


def test_iterations(make_runner: Make, make_loader: Make) -> None:
    runner, val = make_runner(iters=5), make_loader()
    val.dataset.scores = [0.2, 0.6]
    run(runner, make_loader(), val, by_epoch=False, interval=2, save_best="accuracy")
    assert best_files(runner) == ["best_accuracy_iter_4.pth"]


def test_unknown_metric_names_the_known(make_runner: Make, make_loader: Make) -> None:
    with pytest.raises(UserError, match=r"save_best is 'top1_acc'.*accuracy, val_loss"):
        run(make_runner(), make_loader(), make_loader(), save_best="top1_acc")


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (dict(save_best="balanced_accuracy"), "greater"),
        (dict(save_best="melanoma/sensitivity"), "greater"),  # details count as well
        (dict(save_best="source/BCN_accession/ece"), "less"),
        (dict(save_best="own", less_keys=["own"]), "less"),
        (dict(save_best="own", rule="greater"), "greater"),
    ],
)
def test_rule_of_the_best(options: dict[str, Any], rule: str, make_loader: Make) -> None:
    assert EvalHook(make_loader(), **options).rule == rule


@pytest.mark.parametrize("metric", ["topological_distance", "accuracy_loss"])
def test_no_rule_is_guessed(metric: str, make_loader: Make) -> None:
    with pytest.raises(UserError, match=f"{metric}.*set evaluation.rule to 'greater' or 'less'"):
        EvalHook(make_loader(), save_best=metric)


def test_keys_of_a_subclass(make_loader: Make) -> None:
    class Own(EvalHook):
        _default_less_keys = ["own"]

    assert Own(make_loader(), save_best="own").rule == "less"


def test_confusion_matrix_goes_to_tensorboard(make_runner: Make, make_loader: Make) -> None:
    pictures = {}

    class Writer(HOOKS.get("EmptyCacheHook")):  # type: ignore[misc]
        @property
        def writer(self) -> Any:
            return self

        def add_image(self, tag: str, image: Any, step: int, dataformats: str) -> None:
            pictures[tag] = (image.shape, step, dataformats)

    runner = make_runner()
    runner.register_hook(Writer())
    run(runner, make_loader(), make_loader())
    assert pictures["confusion/head0"][1:] == (2, "HWC")
    assert pictures["reliability/head0"][1:] == (2, "HWC")


def test_the_confusion_of_many_classes_is_not_drawn() -> None:
    sent = []
    writer = SimpleNamespace(add_image=lambda tag, *args, **kwargs: sent.append(tag))
    runner = SimpleNamespace(hooks=[SimpleNamespace(writer=writer)], iter=1)
    dataset, scores = SimpleNamespace(gt_labels=np.array([0, 40])), {"head0": np.eye(41)[[0, 40]]}
    show_plots(runner, dataset, scores)
    assert sent == ["reliability/head0"]
