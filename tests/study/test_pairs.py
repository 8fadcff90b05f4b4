"""All pairs of starts, with Holm's correction."""

import dataclasses
import math
import re
from pathlib import Path

import pytest

from mmselfsup.metrics.multiple import holm
from mmselfsup.study.arm_records import ArmRecord
from mmselfsup.study.records import Results, read_results
from mmselfsup.study.report.labels import few_labels_note
from mmselfsup.study.report.page import write_report
from mmselfsup.study.report.pairs import PAIRS_NOTE, pairs_of_groups, pairs_of_study
from mmselfsup.study.report.statistics import find_runs
from mmselfsup.study.report.sweep import NUMBERS, make_overview, write_page
from tests.study.study_data import write_finished_study

SKILLS = {"scratch": 1.0, "simclr": 1.9, "from-pre": 3.0, "from-pre+simclr@lora": 3.0}


def test_holm_is_the_sequential_procedure() -> None:
    p_values = [0.01, 0.04, 0.03, 0.005]
    for level in (0.001, 0.01, 0.019, 0.021, 0.029, 0.031, 0.05, 0.059, 0.061, 0.2):
        rejected = set()
        for k, place in enumerate(sorted(range(4), key=p_values.__getitem__)):
            if p_values[place] > level / (4 - k):
                break
            rejected.add(place)
        assert rejected == {i for i, p in enumerate(holm(p_values)) if p <= level}
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def with_arms(folder: Path, sha256: str = "a") -> Results:
    write_finished_study(folder, SKILLS)
    results = read_results(folder / "results.json")
    arms = [
        ArmRecord(
            run.arm, "pre.pth" if "pre" in run.arm else None, sha256 if "pre" in run.arm else "",
            None, None, 20_000, 1_000, 60.0,
        )
        for run in results.runs
    ]  # fmt: skip
    results = dataclasses.replace(results, arms=arms)
    results.write(folder / "results.json")
    return results


def test_pairs_of_a_study(tmp_path: Path) -> None:
    results = with_arms(tmp_path)
    pairs = pairs_of_study(results)
    assert len(pairs) == 6
    by_names = {(pair.first, pair.second): pair for pair in pairs}
    clear = by_names["pre weights", "from scratch"]
    assert clear.gap.mean > 0
    assert clear.is_clear
    same = by_names["SimCLR from pre weights (LoRA)", "pre weights"]
    assert (same.gap.mean, same.corrected, same.is_clear) == (0.0, 1.0, False)
    for pair in pairs:
        assert pair.gap.p_value is not None
        assert pair.gap.half_width is not None
        # The interval leaves out zero where p is below 0.05.
        assert pair.gap.is_clear == (pair.gap.p_value < 0.05)
        assert pair.corrected is not None
        assert pair.corrected >= pair.gap.p_value
    assert pairs_of_study(dataclasses.replace(results, arms=[])) == []


def test_notes_say_which_differences_are_not_paired(tmp_path: Path) -> None:
    for name, arms in (("a", ["scratch", "simclr"]), ("b", ["byol"])):
        write_finished_study(tmp_path / name, {arm: SKILLS.get(arm, 1.5) for arm in arms})
        path = tmp_path / name / "results.json"
        results = read_results(path)
        runs = [
            dataclasses.replace(run, errors=dict.fromkeys([*arms, "byol"], 0.02))
            for run in results.runs
        ]
        arm = ArmRecord(arms[-1], None, "", None, None, 20_000, 1_000, 60.0)
        dataclasses.replace(results, runs=runs, arms=[arm]).write(path)
    pairs = {
        (pair.first, pair.second): pair.gap.half_width
        for pair in pairs_of_groups(find_runs(tmp_path).groups)
    }
    assert pairs["SimCLR", "from scratch"] == pytest.approx(1.959964 * 0.02)
    assert pairs["BYOL", "from scratch"] == pytest.approx(1.959964 * math.hypot(0.02, 0.02))
    said = "arms of different studies, and results of older versions, as if they were independent"
    for note in (PAIRS_NOTE, NUMBERS, few_labels_note()):
        assert said in note


def test_pairs_over_folds(tmp_path: Path) -> None:
    for fold in (0, 1, 2):
        results = with_arms(tmp_path / f"fold{fold}")
        runs = [dataclasses.replace(run, fold=fold) for run in results.runs]
        study = dataclasses.replace(results.study, fold=fold)
        dataclasses.replace(results, runs=runs, study=study).write(
            tmp_path / f"fold{fold}" / "results.json"
        )
    pairs = pairs_of_groups(find_runs(tmp_path).groups)
    assert len(pairs) == 6
    page = write_page(make_overview(tmp_path)).read_text()
    assert "<h3>All pairs</h3>" in page


def test_other_weights_are_another_group(tmp_path: Path) -> None:
    with_arms(tmp_path / "one", "a")
    with_arms(tmp_path / "two", "b")
    labels = [group.label for group in find_runs(tmp_path).groups]
    assert labels.count("SimCLR") == 1
    assert [label for label in labels if label.startswith("pre weights")] == [
        "pre weights (1)",
        "pre weights (2)",
    ]


@pytest.mark.parametrize("arms", [True, False])
def test_the_report_shows_starts(tmp_path: Path, arms: bool) -> None:
    (with_arms if arms else write_finished_study)(tmp_path)
    page = write_report(tmp_path).read_text()
    assert ("<h2>Starts and their cost</h2>" in page) == arms
    assert ('<td class="path">random weights</td>' in page) == arms  # a long path is broken
    colours = re.findall(r'<i class="key"[^>]*>(.*?)</i>\w', page)
    assert colours  # stay in one line with the names behind them
    assert set(colours) == {"&nbsp;"}
    assert ("Starts of a classifier: from scratch, SimCLR, pre weights" in page) == arms
    assert ("20\N{NARROW NO-BREAK SPACE}000" in page) == arms
