"""The table of all runs under a folder: which runs count, means, intervals, bold."""

import csv
import dataclasses
import io
import os
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import t

from mmselfsup.study.records import DataFacts, Results, RunRecord
from mmselfsup.study.report.statistics import BALANCED, difference, find_runs, metrics
from mmselfsup.study.report.sweep import (
    Overview,
    make_overview,
    print_overview,
    to_csv,
    to_latex,
    write_page,
    write_tables,
)
from mmselfsup.utils.errors import UserError
from tests.study.study_data import CLASSES, COUNTS, make_facts, make_run
from tests.study.test_report import parse

TRAIN = {name: 4 * count for name, count in zip(CLASSES, COUNTS, strict=True)}


def write(folder: Path, *runs: RunRecord, demo: bool = False, **facts: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    study = make_facts(demo=demo, **facts)
    Results(study, list(runs), [], [], {"train": TRAIN}, {}, []).write(folder / "results.json")


def run(arm: str, value: float, fold: int, seed: int = 0, **changes: object) -> RunRecord:
    """A run whose balanced accuracy is given."""
    record = make_run(arm, 1.0)
    return dataclasses.replace(
        record,
        balanced_accuracy=value,
        fold=fold,
        seed=seed,
        **changes,  # type: ignore[arg-type]
    )


SCRATCH = [0.40, 0.43, 0.41, 0.44, 0.42]
SIMCLR = [0.52, 0.53, 0.53, 0.55, 0.52]
BYOL = [0.43, 0.44, 0.39, 0.46, 0.43]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Five folds of three arms."""
    for fold in range(5):
        values = {"scratch": SCRATCH, "simclr": SIMCLR, "byol": BYOL}
        runs = [run(arm, value[fold], fold) for arm, value in values.items()]
        write(tmp_path / f"fold{fold}_seed0", *runs)
    return tmp_path


def rows(overview: Overview) -> dict[str, list[str]]:
    """Rows of the CSV by classifier."""
    lines = list(csv.reader(io.StringIO(to_csv(overview))))
    return {line[0]: line for line in lines}


def test_means_stds_and_corrected_interval(tree: Path) -> None:
    overview = make_overview(tree)
    assert [row.group.label for row in overview.rows] == ["from scratch", "BYOL", "SimCLR"]
    scratch, byol, simclr = overview.rows
    assert scratch.gain is None
    for row, values in ((scratch, SCRATCH), (byol, BYOL), (simclr, SIMCLR)):
        summary = row.cells[BALANCED]
        assert summary is not None
        assert summary.mean == pytest.approx(np.mean(values))
        assert summary.std == pytest.approx(np.std(values, ddof=1))
        assert row.counts == (5, 1, 5)
    gaps = np.subtract(SIMCLR, SCRATCH)
    half = t.ppf(0.975, 4) * np.sqrt((1 / 5 + 1 / 4) * gaps.var(ddof=1))  # test : train is 1 : 4
    assert simclr.gain is not None
    assert (simclr.gain.mean, simclr.gain.half_width) == pytest.approx((gaps.mean(), half))


def test_bold_only_where_the_interval_allows_it(tree: Path) -> None:
    assert [BALANCED in row.bold for row in make_overview(tree).rows] == [False, False, True]
    for fold in range(5):  # as good on average, but not on every fold
        write(tree / f"more{fold}", run("odc", SIMCLR[fold] + (0.05 if fold % 2 else -0.04), fold))
    assert not any(BALANCED in row.bold for row in make_overview(tree).rows)


def test_seeds_are_averaged_before_folds_are_compared(tmp_path: Path) -> None:
    for fold in range(2):
        for seed in range(3):
            gain = 0.1 + 0.02 * fold + 0.05 * (seed - 1)
            write(
                tmp_path / f"{fold}-{seed}",
                run("scratch", 0.4, fold, seed), run("simclr", 0.4 + gain, fold, seed),
            )  # fmt: skip
    scratch, simclr = find_runs(tmp_path).groups
    gap = difference(simclr, scratch, BALANCED, metrics([])[BALANCED])
    assert gap is not None
    assert gap.mean == pytest.approx(0.11)
    assert gap.half_width == pytest.approx(
        t.ppf(0.975, 1) * np.sqrt(0.75 * np.var([0.1, 0.12], ddof=1))
    )


def test_one_fold_counts_its_test_images(tmp_path: Path) -> None:
    write(tmp_path, run("scratch", 0.40, 0), run("simclr", 0.41, 0))
    gain = make_overview(tmp_path).rows[1].gain
    assert gain is not None
    assert gain.half_width is not None
    assert not gain.is_clear
    scratch, simclr = find_runs(tmp_path).groups
    other = difference(simclr, scratch, "accuracy", metrics([])["accuracy"])
    assert other is not None
    assert other.half_width is None
    assert difference(simclr, scratch, "MEL", lambda _: None) is None


def test_which_runs_form_a_group(tmp_path: Path) -> None:
    write(tmp_path / "a", run("scratch", 0.3, 0))
    write(tmp_path / "b", run("scratch", 0.4, 0))
    write(tmp_path / "c", run("scratch", 0.5, 1), run("scratch", 0.5, 1, epochs=99))
    write(tmp_path / "d" / "run.old-1", run("scratch", 0.9, 2))
    write(tmp_path / "e", run("scratch", 0.1, 0), demo=True)
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "results.json").write_text("{}")
    os.utime(tmp_path / "a" / "results.json", (1, 1))
    found = find_runs(tmp_path)
    assert found.num_repeated == 1
    assert [len(group.runs) for group in found.groups] == [2, 1, 1]
    assert found.groups[0].runs[0, 0].balanced_accuracy == 0.4  # the newest
    assert [r.label for r in found.groups] == [f"from scratch ({i})" for i in (1, 2, 3)]
    assert len(found.skipped) == 1
    overview = make_overview(tmp_path)
    assert any("f/results.json is no results.json" in line for line in overview.notes())
    assert any("nothing about skin" in line for line in overview.notes())


@pytest.mark.parametrize(
    "other",
    [
        {"data": DataFacts("/grey", "1")},
        {"data": DataFacts("/isic", "2")},
        {"data": None},
        {"gpus": 2},
        {"gpus": None},
        {"lrs": (0.03,)},
        {"lrs": ()},
    ],
)
def test_runs_on_other_terms_are_not_merged(tmp_path: Path, other: dict) -> None:
    facts = {"data": DataFacts("/isic", "1"), "gpus": 1, "lrs": (0.01, 0.03)}
    write(tmp_path / "a", run("scratch", 0.5, 0), run("simclr", 0.6, 0), **facts)
    write(tmp_path / "b", run("scratch", 0.7, 0), run("byol", 0.65, 0), **{**facts, **other})
    overview = make_overview(tmp_path)
    assert overview.found_runs.num_repeated == 0
    gains = {row.group.arm: row.gain.mean for row in overview.rows if row.gain}
    assert gains == {"simclr": pytest.approx(0.1), "byol": pytest.approx(-0.05)}
    write(tmp_path / "c", run("scratch", 0.5, 0, config_sha256="0"), **facts)
    assert sum(row.group.arm == "scratch" for row in make_overview(tmp_path).rows) == 3


def test_equal_numbers_are_equal_settings(tmp_path: Path) -> None:
    """A whole number in JSON may come back as another kind of number."""
    write(tmp_path / "a", run("scratch", 0.5, 0), lrs=(1,))
    write(tmp_path / "b", run("scratch", 0.6, 1), lrs=(1.0,))
    (group,) = find_runs(tmp_path).groups
    assert len(group.runs) == 2


def test_gain_is_over_scratch_of_the_same_study(tmp_path: Path) -> None:
    write(tmp_path / "a", run("scratch", 0.5, 0), run("simclr", 0.6, 0))
    write(tmp_path / "b", run("scratch", 0.7, 0), run("byol", 0.65, 0))
    write(tmp_path / "c", run("odc", 0.75, 0))
    os.utime(tmp_path / "a" / "results.json", (1, 1))
    gains = {row.group.arm: row.gain.mean for row in make_overview(tmp_path).rows if row.gain}
    assert {arm: round(gain, 6) for arm, gain in gains.items()} == {
        "simclr": 0.1, "byol": -0.05, "odc": 0.05,
    }  # fmt: skip


def test_nothing_found(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no results\.json of a study under"):
        make_overview(tmp_path)


def test_files(tree: Path) -> None:
    overview = make_overview(tree)
    write_tables(overview)
    line = rows(overview)["SimCLR"]
    assert line[1:8] == [
        "configs/selfsup/simclr/small.py (30 epochs)", "train",
        "configs/benchmarks/classification/isic2019/small.py", "8", "5", "1", "5",
    ]  # fmt: skip
    assert float(line[8]) == pytest.approx(0.53)
    latex = to_latex(overview)
    assert r"$\mathbf{0.530 \pm 0.012}$" in latex
    body = [line for line in latex.splitlines() if line.endswith(r" \\")]
    assert len({line.count("&") for line in body}) == 1
    parsed, html = parse(write_page(overview))
    assert (tree / "report.html").exists()
    assert 'class="best">0.530 ± 0.012' in html
    assert parsed.count("svg") == 1
    assert '<div class="scroll"><svg' in html  # readable on a phone, too
    assert 'href="fold3_seed0/report.html"' in html
    write(tree, run("scratch", 0.4, 0))
    assert write_page(make_overview(tree)).name == "overview.html"


def test_printed(tree: Path) -> None:
    text = io.StringIO()
    print_overview(make_overview(tree), Console(file=text, width=100))
    for words in ("0.530 ± 0.012", "5 x 1", "+0.110 ± 0.0", "resampled t"):
        assert words in text.getvalue()
