"""The tool that joins the models of the folds."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmselfsup.evaluation.scores import read_score_file
from mmselfsup.isic.challenge import CLASSES
from tests.tools.command import run_tool

NUM = 40
TOOL = "isic2019/ensemble.py"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files of scores of the same images, as tools/test.py writes them."""
    rng = np.random.default_rng(0)
    labels = np.arange(NUM) % len(CLASSES)
    for name in "abc":
        logits = rng.normal(size=(NUM, 8)) + 1.5 * np.eye(8)[labels]
        np.savez(tmp_path / f"{name}.npz", **arrays(logits, labels))
    return tmp_path


def arrays(scores: Any, labels: Any) -> dict[str, Any]:
    images = np.array([f"ISIC_{i}.jpg" for i in range(NUM)])
    return dict(scores=scores, labels=labels, images=images, classes=np.array(CLASSES))


def test_tool(folder: Path) -> None:
    done = run_tool(
        TOOL, "a.npz", "b.npz", "c.npz", "--out", "all.json", "--submission", "all.csv",
        "--bootstrap", "50", folder=folder,
    )  # fmt: skip
    assert done.code == 0, done.text
    assert "ensemble of 3, 40 images" in done.text
    assert done.text.count("balanced_accuracy") == 4  # of each member, and of all
    content = json.loads((folder / "all.json").read_text())
    assert (content["mean"], content["num_samples"]) == ("arithmetic", NUM)
    assert content["metrics"]["balanced_accuracy"] > 0.4
    joined = read_score_file(str(folder / "all.json"))
    each = [np.load(folder / f"{name}.npz")["scores"] for name in "abc"]
    expected = sum(np.exp(s) / np.exp(s).sum(axis=1, keepdims=True) for s in each) / 3
    np.testing.assert_allclose(joined.scores, expected)
    rows = list(csv.DictReader((folder / "all.csv").open()))
    assert rows[3]["image"] == "ISIC_3"
    assert float(rows[3]["VASC"]) == pytest.approx(expected[3, 6], abs=1e-8)

    again = run_tool(  # what was written is a file of scores like any other
        "isic2019/make_submission.py", "all.json", "--out", "same.csv", folder=folder
    )
    assert again.code == 0, again.text
    assert (folder / "same.csv").read_bytes() == (folder / "all.csv").read_bytes()


def test_without_labels(folder: Path) -> None:
    for name in "ab":
        kept = dict(np.load(folder / f"{name}.npz"))
        np.savez(folder / f"{name}.npz", **{**kept, "labels": np.full(NUM, -1)})
    done = run_tool(TOOL, "a.npz", "b.npz", "--mean", "geometric", "--out", "g.npz", folder=folder)
    assert done.code == 0, done.text
    assert "not all with a label: no metrics" in done.text
    assert done.last_line == "g.npz: 40 images, geometric mean of 2 models"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["a.npz"], "an ensemble needs two files"),
        (["a.npz", "b.npz", "--out", "x.txt"], "--out x.txt: name a .json, .npz or .csv"),
        (["a.npz", "b.npz", "--submission", "."], "--submission . is a folder"),
        (["a.npz", "b.npz", "--bootstrap", "-1"], "--bootstrap -1: give a number"),
        (["a.npz", "./a.npz"], "./a.npz is given twice"),
        (["a.npz", "nan.npz"], "nan.npz: the scores must be a table of finite numbers"),
        (["two.npz", "two2.npz", "--submission", "x.csv"], "has 2 classes, a submission has 8"),
    ],
)
def test_mistakes(folder: Path, argv: list[str], message: str) -> None:
    labels = np.arange(NUM) % 2
    np.savez(folder / "nan.npz", **arrays(np.full((NUM, 8), np.nan), labels))
    for name in ("two.npz", "two2.npz"):
        np.savez(folder / name, **{**arrays(np.eye(2)[labels], labels), "classes": ["a", "b"]})
    done = run_tool(TOOL, *argv, folder=folder)
    assert done.code == 2, done.text
    assert message in done.last_line
    assert not (folder / "x.csv").exists()
