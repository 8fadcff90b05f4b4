"""Measuring a model: with and without labels, one head and several, written as asked."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmcv import Config
from torch import Tensor, nn

from mmselfsup.apis.test import TestResult, metric_lines, score_model, write_result
from mmselfsup.datasets.data_sources import BaseDataSource
from mmselfsup.utils.errors import UserError
from tests.runner.fakes import TinyData, quiet_logger


class Scores(nn.Module):
    def forward(self, img: Tensor, mode: str, **kwargs: Any) -> dict[str, Tensor]:
        return {"head0": img[:, :3].cpu()}


class Labelled(TinyData):
    CLASSES = ["a", "b", "c"]

    def __init__(self, labels: list[int]) -> None:
        super().__init__(len(labels), noise=0.0)
        self.gt_labels = np.array(labels)

    def evaluate(self, results: Any, logger: Any, topk: Any) -> dict[str, float]:
        return {"rows": float(len(results["head0"])), "k": float(topk[-1]), "none": float("nan")}


CONFIG = Config({"data": {"samples_per_gpu": 2, "workers_per_gpu": 0}, "evaluation": {"topk": [2]}})


def test_metrics_and_files(tmp_path: Path) -> None:
    result = score_model(Scores(), Labelled([0, 1, 2, 0, 1]), CONFIG)
    assert result.metrics["rows"] == 5
    assert result.metrics["k"] == 2
    write_result(result, str(tmp_path / "new" / "a.npz"), {})
    with np.load(tmp_path / "new" / "a.npz") as data:
        np.testing.assert_array_equal(data["scores"], result.scores["head0"])
        assert data["labels"].tolist() == [0, 1, 2, 0, 1]
    write_result(result, str(tmp_path / "a.json"), {"config": "c.py"})
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["config"] == "c.py"
    assert found["classes"] == ["a", "b", "c"]
    assert found["metrics"] == {"rows": 5, "k": 2, "none": None}
    assert np.shape(found["scores"]) == (5, 3)


def test_without_labels() -> None:
    result = score_model(Scores(), Labelled([0, -1]), CONFIG, logger=quiet_logger())
    assert not result.metrics
    assert len(result.arrays()["scores"]) == 2
    result = score_model(Scores(), TinyData(3), CONFIG)
    assert list(result.arrays()) == ["scores"]


def test_several_heads() -> None:
    result = TestResult({"head1": np.zeros((2, 3)), "head2": np.ones((2, 3))}, np.zeros(2), {})
    assert sorted(result.arrays()) == ["labels", "scores_head1", "scores_head2"]
    named = replace(result, images=["a.jpg", "b.jpg"], lesions=["x", ""])
    assert named.arrays()["images"].tolist() == ["a.jpg", "b.jpg"]
    assert named.arrays()["lesions"].tolist() == ["x", ""]


def test_a_table_for_spreadsheets(tmp_path: Path) -> None:
    scores = np.log([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]])
    result = TestResult(
        {"head0": scores}, np.array([1, -1]), {}, ["a", "b", "c"], ["x.jpg", "y.jpg"]
    )
    write_result(result, str(tmp_path / "t.csv"), {})
    assert (tmp_path / "t.csv").read_text() == (
        "image,label,predicted,probability,a,b,c\n"
        "x.jpg,b,a,0.500000,0.500000,0.250000,0.250000\n"
        "y.jpg,,c,0.700000,0.100000,0.200000,0.700000\n"
    )
    two = replace(result, scores={"head1": scores, "head2": scores})
    with pytest.raises(UserError, match="the scores of one head, the model has head1, head2"):
        write_result(two, str(tmp_path / "t.csv"), {})


@pytest.mark.parametrize("name", ["a.txt", "folder.json"])
def test_bad_output(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(UserError, match=r"\.json, \.npz or \.csv"):
        write_result(TestResult({}, None, {}), str(tmp_path / name), {})
    assert [path.name for path in tmp_path.iterdir()] == ["folder.json"]


def test_options_of_evaluate() -> None:
    class Detailed(Labelled):
        def evaluate(  # type: ignore[override]
            self, results: Any, logger: Any, topk: Any, bootstrap: int = 0, kappa: int = 0
        ) -> dict[str, float]:
            return {"kappa": kappa, "a/b/c": 2.0, "a/d": float("nan"), "bootstrap": bootstrap}

    cfg = Config({**CONFIG, "evaluation": {"interval": 1, "save_best": "kappa", "kappa": 3}})
    result = score_model(Scores(), Detailed([0, 1]), cfg)
    assert result.metrics["kappa"] == 3
    assert result.metrics["bootstrap"] == 1000
    cfg.evaluation.bootstrap = 5
    assert score_model(Scores(), Detailed([0, 1]), cfg).metrics["bootstrap"] == 5


def test_details_stand_apart(tmp_path: Path) -> None:
    metrics = {"acc": 0.5, "a/b/c": 2.0, "a/d": float("nan"), "interval/acc/low": 0.25}
    metrics["interval/acc/high"] = 0.75
    result = TestResult({"head0": np.zeros((2, 3))}, np.zeros(2, dtype=int), metrics)
    write_result(result, str(tmp_path / "a.json"), {})
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["metrics"] == {"acc": 0.5}
    assert found["details"]["a"] == {"b": {"c": 2.0}, "d": None}
    assert metric_lines(metrics) == ["acc                         0.5000  95 %: 0.2500 to 0.7500"]
    by_image = metric_lines({**metrics, "interval/by_lesion": 0.0})
    assert by_image[0].endswith("0.2500 to 0.7500  (by image, groups unknown)")


def test_images_that_are_no_files_have_no_names() -> None:
    class Numbers(BaseDataSource):
        def load_annotations(self) -> list[dict[str, Any]]:
            return [dict(gt_label=0)] * 2

    data: Any = Labelled([0, 1])
    data.data_source = Numbers(None)
    result = score_model(Scores(), data, CONFIG)
    assert result.images is None
    assert result.lesions is None
