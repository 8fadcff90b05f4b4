"""Evaluation of scores: the metrics are correct."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmselfsup.datasets import (
    SingleViewDataset,
    build_dataset,
)
from mmselfsup.metrics.heads import evaluate_heads, topk_accuracy
from mmselfsup.utils.errors import UserError


@pytest.fixture
def source(image_folder: Path, image_list: Path) -> dict[str, Any]:
    return dict(
        type="ImageList",
        data_prefix=str(image_folder),
        ann_file=str(image_list),
        classes=["MEL", "NV", "BCC"],
    )


def single(source: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    return dict(type="SingleViewDataset", data_source=source, pipeline=[dict(type="ToTensor")])


def test_evaluate(source: dict[str, Any]) -> None:
    dataset = build_dataset(single(source))
    scores = np.eye(3)[np.arange(12) % 3].astype(np.float32)
    scores[0] = [0.1, 0.7, 0.2]  # a MEL taken for a NV
    numbers = dataset.evaluate(dict(head0=scores), logger="silent", topk=(1, 2, 5))
    assert numbers["head0_top1"] == pytest.approx(100 * 11 / 12)
    assert numbers["head0_top2"] == pytest.approx(100 * 11 / 12)
    assert "head0_top5" not in numbers  # there are three classes
    assert numbers["accuracy"] == pytest.approx(11 / 12)
    assert numbers["recall_MEL"] == pytest.approx(3 / 4)
    assert numbers["balanced_accuracy"] == pytest.approx((3 / 4 + 1 + 1) / 3)
    heads = dataset.evaluate(dict(head0=scores, head1=torch.from_numpy(scores)))
    assert heads["head1_balanced_accuracy"] == numbers["balanced_accuracy"]
    assert heads["head1_top1"] == heads["head0_top1"]
    assert "balanced_accuracy" not in heads


def test_evaluate_says_what_is_wrong(image_folder: Path, source: dict[str, Any]) -> None:
    dataset = build_dataset(single(source))
    with pytest.raises(UserError, match="head0: 11 scores for 12 images"):
        dataset.evaluate(dict(head0=np.zeros((11, 3))))
    with pytest.raises(AssertionError):  # which 0.x raised
        dataset.evaluate(dict(head0=np.zeros((11, 3))))
    with pytest.raises(ValueError, match="NaN"):
        dataset.evaluate(dict(head0=np.full((12, 3), np.nan)))
    unlabelled = SingleViewDataset(dict(type="ImageList", data_prefix=str(image_folder)), [])
    with pytest.raises(UserError, match="12 of 12 images have no label"):
        unlabelled.evaluate(dict(head0=np.zeros((12, 3))))
    with pytest.raises(UserError, match="these have several"):
        evaluate_heads(dict(head0=np.full((2, 3), -1.0)), np.zeros((2, 3), dtype=np.int64))


def test_topk_against_sorting() -> None:
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 6, (200, 9)).astype(float)  # with ties
    labels = rng.integers(0, 9, 200)
    best = np.argsort(-scores, axis=1, kind="stable")
    found = topk_accuracy(scores, labels, (1, 3, 9, 10))
    assert set(found) == {1, 3, 9}
    for k, accuracy in found.items():
        hits = [label in row[:k] for label, row in zip(labels, best, strict=True)]
        assert accuracy == pytest.approx(100 * np.mean(hits))
    assert topk_accuracy(scores, labels, 1) == {1: found[1]}
