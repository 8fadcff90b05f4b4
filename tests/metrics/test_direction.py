"""Which of a metric is better is read from its name, in one place."""

import math
from typing import Any

import numpy as np
import pytest

from mmselfsup.core.hooks.frozen_features_hook import SCORES, FrozenFeaturesHook
from mmselfsup.core.hooks.plateau_hooks import Plateau
from mmselfsup.metrics.direction import better, gain, is_own, worst
from mmselfsup.metrics.heads import evaluate_heads

TRUTH, SCORED = np.array([0, 1, 2, 0, 1, 0]), np.eye(3)[[0, 1, 2, 0, 1, 2]]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("balanced_accuracy", "greater"), ("head0_top1", "greater"), ("mAP", "greater"),
        ("per_class/MEL/auc", "greater"), ("macro_f1", "greater"), ("ece", "less"),
        ("val_loss", "less"), ("topological_distance", None), ("accuracy_loss", None),
        ("fpr_at_95_recall", None), ("accuracy_gap", None), ("auc_std", None), ("auc_drop", None),
        ("false_precision_rate", None), ("fnr_top1", None), ("missed_accuracy", None),
        ("AR@100", "greater"), ("mIoU", "greater"), ("valAcc", "greater"), ("valacc", "greater"),
        ("trainloss", "less"), ("kappa", "greater"), ("f1_loss", None), ("heatmap_size", None),
    ],
)  # fmt: skip
def test_what_is_better(name: str, meant: str | None) -> None:
    assert better(name) == meant


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("recall_glossitis", "greater"), ("recall_hair_loss", "greater"),
        ("head1_recall_recent", "greater"), ("per_class/false/lesion/auc", "greater"),
        ("AP_a/b", "greater"), ("source/BCN_accession/ece", "less"),
        ("source/error_set/macro/f1", "greater"), ("melanoma/sensitivity", "greater"),
    ],
)  # fmt: skip
def test_names_of_classes_and_sources_decide_nothing(name: str, meant: str) -> None:
    assert better(name) == meant
    assert Plateau(name, patience=1).rule == meant


def test_every_metric_of_the_package_tells_what_is_better() -> None:
    names = evaluate_heads({"head0": SCORED}, TRUTH, topk=1)
    names |= evaluate_heads({"head0": SCORED}, np.eye(3, dtype=int)[TRUTH])
    told = {name: better(name) for name in names if name != "num_classes"}
    assert set(told.values()) == {"greater", "less"}, told
    assert all(map(is_own, told))
    assert all(better(name) == FrozenFeaturesHook.rule for name in SCORES)


@pytest.mark.parametrize(
    ("name", "options", "meant"),
    [
        ("own", dict(less_keys=["OWN"]), "less"),
        ("own", dict(greater_keys="ow"), "greater"),
        ("own", dict(greater_keys=["ow"], less_keys=["own"]), "less"),  # the whole name first
        ("own", dict(greater_keys=["own"], less_keys=["own"]), "greater"),
        ("accuracy", dict(less_keys=["acc"]), "less"),
        ("accuracy", dict(less_keys=["x"]), "greater"),
    ],
)
def test_keys_of_a_user(name: str, options: dict[str, Any], meant: str) -> None:
    assert better(name, **options) == meant


def test_gain() -> None:
    assert gain("greater", 0.5, 0.2) == pytest.approx(0.3)
    assert gain("less", 0.5, 0.2) == pytest.approx(-0.3)
    assert math.isnan(gain("greater", math.nan, worst("greater")))
    assert gain("less", 9.0, worst("less")) > 0
