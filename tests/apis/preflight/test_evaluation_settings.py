"""Settings of ``evaluation`` that change nothing or keep the worst checkpoint are told."""

import logging
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mmcv import Config
from mmcv.runner import HOOKS
from torch import nn

import mmselfsup.core.hooks  # noqa: F401  (registers)
from mmselfsup.apis.preflight.evaluation_settings import (
    check_metrics,
    measured_names,
    without_effect,
)
from mmselfsup.apis.test import score_model
from mmselfsup.metrics.direction import better
from mmselfsup.metrics.heads import evaluate_heads
from mmselfsup.utils.errors import UserError

ONE = SimpleNamespace(gt_labels=np.array([0, 1, 2]))
SEVERAL = SimpleNamespace(gt_labels=np.array([[0, 1, 1], [1, 0, 0]]))


def lines(dataset: Any, **evaluation: Any) -> str:
    return "\n".join(without_effect(evaluation, dataset, 3))


@pytest.mark.parametrize("key", ["topk", "unk_threshold", "bootstrap"])
def test_what_needs_one_class_for_each_image(key: str) -> None:
    said = lines(SEVERAL, **{key: (1, 5) if key == "topk" else 1})
    assert f"evaluation.{key}=" in said
    assert "several classes" in said
    assert lines(SEVERAL, interval=1, save_best="mAP") == ""


@pytest.mark.parametrize(
    ("evaluation", "line"),
    [
        (dict(topk=(1, 5)), "evaluation.topk: 5 has no effect, there are 3 classes"),
        (dict(topk=4), "evaluation.topk: 4 has no effect"),
        (dict(unk_threshold=0.3), "unk_threshold=0.3 has no effect: the highest probability of 3"),
        (dict(rule="less"), "evaluation.rule has no effect without evaluation.save_best"),
        (dict(out_dir="x"), "evaluation.out_dir has no effect without evaluation.save_best"),
        (dict(save_best="a", rule="less", less_keys=["a"]), "less_keys has no effect beside"),
    ],
)
def test_no_effect(evaluation: dict[str, Any], line: str) -> None:
    assert line in lines(ONE, **evaluation)


def test_intervals_of_many_classes() -> None:
    assert "no intervals" in "".join(without_effect(dict(bootstrap=9), ONE, 200))


def test_nothing_to_say() -> None:
    assert lines(ONE, interval=1, topk=(1, 3), unk_threshold=0.5, bootstrap=9) == ""
    assert lines(ONE, topk=4, unk_threshold=0.5) == ""  # UNK is the fourth class
    assert lines(ONE, save_best="auto", rule="greater", out_dir="x") == ""


@pytest.mark.parametrize(
    "evaluation",
    [dict(save_best="auto", rule="less"), dict(save_best="ece", rule="greater")],
)
def test_a_rule_that_keeps_the_worst(evaluation: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="takes the worst for the best"):
        check_metrics(["head0_top1", "ece"], evaluation)


@pytest.mark.parametrize("name", ["own_accuracy", "val_loss", "sharpness_precision"])
def test_the_metric_of_a_user_gets_a_warning(name: str, caplog: pytest.LogCaptureFixture) -> None:
    rule = "greater" if name == "val_loss" else "less"
    with caplog.at_level(logging.WARNING, "mmselfsup"):
        check_metrics([name], dict(save_best=name, rule=rule))
    assert f"evaluation.rule={rule!r} with {name!r} takes the worst for the best" in caplog.text


def test_metrics_of_the_package_are_known_by_their_names() -> None:
    truth, scores = np.array([0, 1, 2, 0, 1, 0]), np.eye(3)[[0, 1, 2, 0, 1, 2]]
    names = [*evaluate_heads({"head0": scores}, truth, topk=1)]
    names += evaluate_heads({"head0": scores}, np.eye(3, dtype=int)[truth])
    for name in filter(better, names):
        reverse = "less" if better(name) == "greater" else "greater"
        with pytest.raises(UserError, match="takes the worst for the best"):
            check_metrics(names, dict(save_best=name, rule=reverse))


@pytest.mark.parametrize("save_best", ["own_number", "auto"])
def test_a_name_that_tells_no_rule(save_best: str) -> None:
    names, evaluation = ["own_number", "accuracy"], dict(interval=1, save_best=save_best)
    with pytest.raises(UserError, match=r"is 'own_number'.* set evaluation\.rule to 'greater' or"):
        check_metrics(names, evaluation)
    check_metrics(names, dict(evaluation, less_keys="own"))
    check_metrics(names, dict(evaluation, rule="less"))


def test_rules_that_are_no_fault() -> None:
    check_metrics([], dict(save_best="fpr_at_95_recall", rule="less"))
    check_metrics(["own_number"], dict(save_best="own_number", rule="less"))
    check_metrics([], dict(save_best="balanced_accuracy", rule="greater"))
    check_metrics(["x"], dict(interval=1, rule="less"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(monitor="accuracy"), "EarlyStoppingHook.monitor is 'accuracy'; .*measures mAP, ece"),
        (dict(monitor="mAP", rule="less"), "EarlyStoppingHook.rule='less' with 'mAP'"),
    ],
)
def test_what_hooks_watch(options: dict[str, Any], message: str) -> None:
    hook = HOOKS.build(dict(type="EarlyStoppingHook", **options))
    with pytest.raises(UserError, match=message):
        check_metrics(["mAP", "ece"], dict(interval=1), [hook])


class Fixed(nn.Module):
    """Probabilities of three classes, each image may be of several."""

    multi_label = True

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(nn.init.zeros_(nn.Linear(1, 3).bias))

    def forward(self, img: Any, mode: str = "test", **kwargs: Any) -> dict[str, Any]:
        return {"head0": self.bias.sigmoid().expand(len(img), 3)}


class Labelled(list[Any]):
    """Images with several labels each."""

    CLASSES = None
    gt_labels = SEVERAL.gt_labels

    def evaluate(self, results: Any, logger: Any = None, **options: Any) -> dict[str, float]:
        return evaluate_heads(results, self.gt_labels, logger=logger, **options)


def test_the_test_says_it_too(caplog: pytest.LogCaptureFixture) -> None:
    data = Labelled([dict(img=np.zeros((3, 4, 4), np.float32), idx=i) for i in range(2)])
    cfg = Config(dict(data=dict(samples_per_gpu=2, workers_per_gpu=0), evaluation=dict(topk=(1,))))
    assert measured_names(Fixed(), data, dict(topk=(1,)))[0] == "mAP"
    logger = logging.getLogger("tests.silent")
    with caplog.at_level(logging.WARNING, logger.name):
        score_model(Fixed(), data, cfg, logger=logger)
    assert "evaluation.topk=(1,) has no effect" in caplog.text
