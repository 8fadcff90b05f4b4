"""Measure files of scores again, and compare two."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmselfsup.apis.scores.measure import compare, comparison_lines, lesions_of, measure
from mmselfsup.apis.test import metric_lines
from mmselfsup.evaluation.plots import write_picture
from mmselfsup.evaluation.scores import ScoreFile, read_score_file
from mmselfsup.utils.errors import UserError
from tests.tools.command import run_tool


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files of scores of the same 60 images, and their metadata."""
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=60)
    images = np.array([f"ISIC_{i}.jpg" for i in range(60)])
    for name, skill in (("a", 0.2), ("b", 1.0)):
        scores = rng.random((60, 3)) + skill * np.eye(3)[labels]
        np.savez(
            tmp_path / f"{name}.npz",
            scores=scores,
            labels=labels,
            images=images,
            classes=["MEL", "NV", "BCC"],
        )
    rows = [f"ISIC_{i},{['HAM_', 'BCN_'][i % 2]}{i // 4}" for i in range(58)]
    (tmp_path / "meta.csv").write_text("image,lesion_id\n" + "\n".join(rows) + "\nISIC_58,\n")
    return tmp_path


def test_tool(folder: Path) -> None:
    done = run_tool(
        "analysis_tools/measure_scores.py", "a.npz", "b.npz", "--metadata", "meta.csv",
        "--bootstrap", "200", "--out", "m.json", "--reliability", "r.png", "--confusion", "c.png",
        folder=folder,
    )  # fmt: skip
    assert done.code == 0, done.text
    assert "balanced_accuracy" in done.text
    assert "p = 0.0050" in done.text  # 1 of 201: no exchange was larger
    found = json.loads((folder / "m.json").read_text())
    assert set(found) == {"a.npz", "b.npz", "second - first"}
    assert set(found["b.npz"]["source"]) == {"HAM", "BCN", "none"}
    assert found["b.npz"]["source"]["none"]["num_samples"] == 2
    assert found["second - first"]["balanced_accuracy"]["difference"] > 0.2
    assert (folder / "r.png").stat().st_size > 1000
    assert (folder / "c.png").stat().st_size > 1000


def call(argv: tuple[str, ...], folder: Path) -> str:
    """The last line of the tool, which must stop before it prints a number."""
    done = run_tool("analysis_tools/measure_scores.py", *argv, folder=folder)
    assert done.code == 2, done.text
    assert "accuracy" not in done.text
    return done.last_line


def test_pictures_need_no_folder(folder: Path) -> None:
    write_picture(str(folder / "new" / "r.jpg"), np.zeros((4, 4, 3), np.uint8))
    assert Image.open(folder / "new" / "r.jpg").format == "JPEG"


def test_labels_beyond_the_classes_are_a_mistake(folder: Path) -> None:
    arrays = dict(np.load(folder / "a.npz"))
    np.savez(folder / "e.npz", **{**arrays, "labels": arrays["labels"] + 5})
    with pytest.raises(UserError, match=r"e.npz: labels must lie in 0..2"):
        measure(read_score_file(str(folder / "e.npz")), bootstrap=0)


def test_mistakes(folder: Path) -> None:
    first, second = (read_score_file(str(folder / f"{name}.npz")) for name in "ab")
    (folder / "bad.csv").write_text("image,lesion\nx,y\n")
    with pytest.raises(UserError, match=r"lacks the column\(s\) lesion_id; it has: image, lesion"):
        lesions_of(first, str(folder / "bad.csv"))
    (folder / "other.csv").write_text("image,lesion_id\nx,y\n")
    with pytest.raises(UserError, match="has none of the 60 images"):
        lesions_of(first, str(folder / "other.csv"))
    arrays = dict(np.load(folder / "b.npz"))
    np.savez(folder / "c.npz", **{**arrays, "images": arrays["images"][::-1]})
    with pytest.raises(UserError, match="not about the same images"):
        compare(first, read_score_file(str(folder / "c.npz")))
    np.savez(folder / "d.npz", **{**arrays, "labels": arrays["labels"] - 1})
    done = run_tool("analysis_tools/measure_scores.py", "d.npz", folder=folder)
    assert done.code == 2
    assert "has images without a label" in done.last_line
    pairs = (
        (("a.npz", "--bootstrap", "-1"), "--bootstrap -1: give a number of resamples, 0 or more"),
        (("a.npz", "--out", "r.txt"), "--out r.txt: name a file that ends with .json"),
        (("a.npz", "--reliability", "r.what"), "r.what: name a .png or .jpg file"),
        (("a.npz", "--out", "."), ". is a folder: name a file"),
        (("empty.npz",), "empty.npz is no .npz or .json"),
        (("a.npz", "fold1.npz", "--metadata", "meta.csv"), "not about the same images in order"),
        (("a.npz", "--head", "head9"), "a.npz holds scores"),
    )
    (folder / "empty.npz").touch()
    np.savez(
        folder / "fold1.npz",
        **{name: array[:40] for name, array in arrays.items() if name != "classes"},
    )
    np.savez(folder / "short.npz", **{**arrays, "labels": arrays["labels"][:9]})
    with pytest.raises(UserError, match="9 labels for 60 scores"):
        read_score_file(str(folder / "short.npz"))
    for argv, message in pairs:
        failed = call(argv, folder)
        assert message in failed, failed
    assert compare(first, second, bootstrap=10)["accuracy"]["difference"] > 0


def test_classes_in_another_order_are_not_compared() -> None:
    scores, labels = np.eye(2), np.array([0, 1])
    first, second = (
        ScoreFile(name, scores, labels, list(name), None, None) for name in ("ab", "ba")
    )
    with pytest.raises(UserError, match=r"another order of them \(a, b; b, a\)"):
        compare(first, second, bootstrap=9)


def test_intervals_of_few_lesions_are_marked() -> None:
    """With two lesions of a class its resamples hardly vary."""
    labels = np.array([0] * 12 + [1] * 4)
    lesions = [f"a{number}" for number in range(12)] + ["b", "b", "c", "c"]
    file = ScoreFile("a", np.eye(2)[labels] + 0.1, labels, ["A", "B"], None, None)
    numbers = measure(file, lesions, bootstrap=9)
    marks = [line.partition("  (")[2] for line in metric_lines(numbers)]
    assert marks[:3] == ["too narrow: a class has 2 groups)", "", marks[0]]
    lines = comparison_lines(compare(file, file, lesions, bootstrap=9), numbers)
    assert [line.endswith(marks[0]) for line in lines] == [True, False, True]
    enough = measure(file, [str(number) for number in range(16)], bootstrap=9)
    assert "(too narrow: a class has 4 groups)" in metric_lines(enough)[0]
    enough["interval/fewest_lesions"] = 10.0
    assert "narrow" not in "".join(metric_lines(enough))
