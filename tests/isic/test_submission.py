"""The challenge's CSV, from files of scores."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmselfsup.evaluation.scores import read_score_file
from mmselfsup.isic.challenge import COLUMNS, submission_table, write_submission
from mmselfsup.utils.errors import UserError
from tests.tools.command import run_tool

NAMES = ["a/ISIC_0034321.jpg", "ISIC_0034322_downsampled.JPG", "ISIC_0034323"]


def scores(path: Path, columns: int = 8, **changes: Any) -> str:
    arrays: dict[str, Any] = {
        "scores": np.random.default_rng(0).normal(size=(3, columns)) * 3,
        "images": np.array(NAMES),
        "classes": np.array(COLUMNS[1 : columns + 1]),
        **changes,
    }
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return str(path)


@pytest.mark.parametrize("columns", [8, 9])
def test_file(columns: int, tmp_path: Path) -> None:
    file = read_score_file(scores(tmp_path / "s.npz", columns))
    write_submission(submission_table(file), str(tmp_path / "out.csv"))
    rows = list(csv.DictReader((tmp_path / "out.csv").open()))
    assert tuple(rows[0]) == ("image", "MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")
    assert [row["image"] for row in rows] == [
        "ISIC_0034321",
        "ISIC_0034322_downsampled",
        "ISIC_0034323",
    ]
    values = np.array([[float(row[name]) for name in COLUMNS[1:]] for row in rows])
    np.testing.assert_allclose(values.sum(axis=1), 1, atol=1e-6)
    exps = np.exp(file.scores)
    expected = exps / exps.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(values[:, :columns], expected, atol=1e-8)
    assert columns == 9 or (values[:, 8] == 0).all()


def test_tool_with_a_threshold(tmp_path: Path) -> None:
    sure = np.eye(8)[[0, 1, 2]] * np.array([[9.0], [9.0], [0.0]])  # the last one knows nothing
    path = scores(tmp_path / "s.npz", scores=sure)
    done = run_tool(
        "isic2019/make_submission.py", path, "--out", "s.csv", "--unk-threshold", "0.3",
        folder=tmp_path,
    )  # fmt: skip
    assert done.code == 0, done.text
    assert done.last_line == "s.csv: 3 images (MEL 1, NV 1, UNK 1)"
    rows = list(csv.DictReader((tmp_path / "s.csv").open()))
    assert max(COLUMNS[1:], key=lambda name: float(rows[2][name])) == "UNK"


def test_a_threshold_leaves_the_known_classes(tmp_path: Path) -> None:
    """The challenge parts yes from no at 0.5: a melanoma at 0.55 stays one."""
    probs = np.full((3, 8), 0.45 / 7)
    probs[:, 0] = 0.55
    table = submission_table(read_score_file(scores(tmp_path / "s.npz", scores=probs)), 0.4)
    np.testing.assert_allclose(table[list(COLUMNS[1:9])], probs)
    assert (table["UNK"] < 0.5).all()


@pytest.mark.parametrize(
    ("columns", "changes", "threshold", "message"),
    [
        (8, {"images": None}, None, "doesn't name its images"),
        (7, {}, None, "has 7 classes, a submission has 8"),
        (8, {"classes": np.array(list("abcdefgh"))}, None, "has the classes a, b"),
        (9, {}, 0.3, "has an output for UNK"),
        (8, {}, 0.0, "--unk-threshold: the threshold must be"),
        (8, {"images": np.array(["a.jpg", "b.jpg", "a.png"])}, None, "the image a is listed"),
    ],
)
def test_mistakes(
    columns: int, changes: dict[str, Any], threshold: float | None, message: str, tmp_path: Path
) -> None:
    file = read_score_file(scores(tmp_path / "s.npz", columns, **changes))
    with pytest.raises(UserError, match=message):
        submission_table(file, threshold)


def test_score_files(tmp_path: Path) -> None:
    content = {"scores_head1": [[1, 2]], "scores_head4": [[3, 4]], "labels": [1], "classes": None}
    path = tmp_path / "s.json"
    path.write_text(json.dumps(content))
    file = read_score_file(str(path), "head4")
    assert file.scores.tolist() == [[3, 4]]
    assert file.labels is not None
    assert file.labels.tolist() == [1]
    assert file.classes is file.images is None
    with pytest.raises(UserError, match="holds head1, head4: name one"):
        read_score_file(str(path))
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(UserError, match=r"text.npz is no \.npz"):
        read_score_file(str(tmp_path / "text.npz"))
    with pytest.raises(UserError, match="can't read"):
        read_score_file(str(tmp_path / "none.npz"))
    path.write_text(json.dumps({"scores": [[1, float("nan")]]}))
    with pytest.raises(UserError, match="finite"):
        read_score_file(str(path))
