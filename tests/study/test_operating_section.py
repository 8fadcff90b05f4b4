"""ROC, operating points and decision curve; intervals, colours and markers of the report."""

import itertools
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmselfsup.study.records import read_results
from mmselfsup.study.report import sweep
from mmselfsup.study.report.degenerate import is_degenerate
from mmselfsup.study.report.figures import curves, recall_bars
from mmselfsup.study.report.html import SSL_COLORS
from mmselfsup.study.report.operating_section import operating_section
from mmselfsup.study.report.page import write_report
from tests.study.study_data import COUNTS, make_run, write_finished_study

CSS = Path(sweep.__file__).parent / "templates/page.css"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A finished study whose tests have left their scores."""
    write_finished_study(tmp_path)
    labels = np.repeat(np.arange(8), COUNTS)
    for arm, skill in (("scratch", 1.0), ("simclr", 3.0)):
        scores = np.random.default_rng(0).normal(size=(len(labels), 8))
        scores[np.arange(len(labels)), labels] += skill
        folder = tmp_path / "finetune" / arm / "test"
        folder.mkdir(parents=True)
        lesions = [f"L{n // 2}" for n in range(len(labels))]
        np.savez(folder / "scores.npz", scores=scores, labels=labels, lesions=lesions)
    return tmp_path


def test_the_section_and_the_intervals(study: Path) -> None:
    text = write_report(study).read_text()
    assert "MEL against the rest" in text
    table = text.partition("Operating points</h3>")[2].partition("</table>")[0]
    rows = re.findall(r"<td>([\d.]+)</td>" * 4, table)
    (scratch, simclr), *others = pairs(rows)
    assert len(others) == 7  # the other classes
    assert all(float(b) >= float(a) for a, b in zip(scratch, simclr, strict=True))
    assert all(x >= y for x, y in itertools.pairwise(map(float, simclr[:3])))
    assert len(re.findall(r"<br><small>0\.\d{3}–0\.\d{3}</small>", text)) == 3 * 2
    assert "bootstrap over lesions" in text
    assert "act on none" in text  # "treat" would be said of photographs, too
    assert "treat " not in text


def test_lesions_that_are_not_known_are_no_lesions(study: Path) -> None:
    """The table of lesions has none of the test images: its cells are blank."""
    for path in study.glob("finetune/*/test/scores.npz"):
        with np.load(path) as data:
            arrays = {**data, "lesions": [""] * len(data["labels"])}
        np.savez(path, **arrays)
    assert "bootstrap over images, as lesions are not known" in write_report(study).read_text()


def test_a_class_without_test_images_has_no_recall() -> None:
    runs = [make_run(arm, 1.5) for arm in ("scratch", "simclr")]
    colors = dict(zip(("scratch", "simclr"), SSL_COLORS, strict=False))
    runs = [replace(run, recall={**run.recall, "DF": None, "VASC": 0.0}) for run in runs]
    svg = recall_bars(runs, colors, "recall")
    assert svg.count(">–<") == 2
    assert svg.count(">0.00<") == 2


def test_of_two_classes_the_rest_has_a_name(tmp_path: Path) -> None:
    write_finished_study(tmp_path)
    results = read_results(tmp_path / "results.json")
    counts = {"ill": 1.0, "healthy": 0.5}
    matrix = [[4, 0], [2, 2]]
    runs = [replace(run, recall=counts, confusion_matrix=matrix) for run in results.runs]
    folder = tmp_path / "finetune" / "simclr" / "test"
    folder.mkdir(parents=True)
    scores, labels = np.eye(2)[[0, 0, 1, 1]], np.array([0, 1, 0, 1])
    np.savez(folder / "scores.npz", scores=scores, labels=labels)
    section = operating_section(tmp_path, replace(results, runs=runs))
    assert section is not None
    assert (section.context["shown"], section.context["rest"]) == ("ill", "healthy")


def pairs(rows: list[tuple[str, ...]]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Return the rows of the two classifiers of each class."""
    return list(zip(rows[::2], rows[1::2], strict=True))


def test_the_licence_stands_where_pictures_of_patients_are(study: Path) -> None:
    assert "CC BY-NC 4.0" not in write_report(study).read_text()  # the demo's are synthetic
    results = read_results(study / "results.json")
    replace(results, study=replace(results.study, demo=False)).write(study / "results.json")
    assert "Images of ISIC-2019 on this page: CC BY-NC 4.0." in write_report(study).read_text()


def test_a_single_epoch_has_a_marker() -> None:
    def markers(points: list[tuple[float, float]]) -> int:
        svg = curves({"simclr": points}, {"simclr": SSL_COLORS[0]}, "a", "loss", "b")
        return len(re.findall(r'<use [^>]*style="fill: var\(--ssl-1\)', svg))

    assert markers([(1.0, 0.5)]) > 0
    assert markers([(1.0, 0.5), (2.0, 0.4)]) == 0


def test_epochs_are_whole_numbers() -> None:
    svg = curves({"simclr": [(1.0, 0.5)]}, {"simclr": SSL_COLORS[0]}, "a", "loss", "b")
    below = svg.partition(">epoch<")[0]  # the ticks of the axis
    assert re.findall(r">([\d.]+)</text>", below) == ["0", "1"]


def test_a_classifier_that_names_one_class_only_is_degenerate() -> None:
    run = make_run("simclr", 1.5)
    assert not is_degenerate(run)
    always = np.zeros((8, 8), int)
    always[:, 1] = COUNTS
    assert is_degenerate(replace(run, confusion_matrix=always.tolist()))
    one_class = np.zeros((8, 8), int)
    one_class[1, 1] = 50
    assert not is_degenerate(replace(run, confusion_matrix=one_class.tolist()))


# Machado, Oliveira and Fernandes 2009, "A Physiologically-based Model for Simulation of Color
# Vision Deficiency", complete deficiencies; of linear RGB.
DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


@pytest.mark.parametrize("name", DEFICIENCIES)
def test_eight_colours_differ_for_every_eye(name: str) -> None:
    """The distance in CIE Lab; below about 2.3 two colours can't be told from each other."""
    color = pytest.importorskip("skimage.color")
    found = re.findall(r"--ssl-\d: (#[0-9a-f]{6})", CSS.read_text())
    assert len(found) == 3 * 8  # light, dark, print
    for scheme in (found[:8], found[8:16], found[16:]):
        rgb = np.array([[int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)] for text in scheme])
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        seen = np.clip(linear @ np.array(DEFICIENCIES[name]).T, 0, 1)
        shown = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
        lab = color.rgb2lab(shown[None])[0]
        assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(lab, 2)) > 10
