"""Which group of runs is marked as the best one."""

from dataclasses import replace
from pathlib import Path

from mmselfsup.study.records import Results
from mmselfsup.study.report.statistics import BALANCED, RunGroup, baseline_key, best, metrics
from tests.study.study_data import CLASSES, make_facts, make_run

METRIC = metrics(CLASSES)[BALANCED]


def group(label: str, *scores: float) -> RunGroup:
    """A group with a run for each fold; ``scores`` are balanced accuracies."""
    run = make_run(label, 1.0)
    results = Results(
        study=make_facts(), runs=[run], lr_search=[], ssl=[], split={}, environment={}, commands=[]
    )
    runs = {(i, 0): replace(run, fold=i, balanced_accuracy=s) for i, s in enumerate(scores)}
    folders = dict.fromkeys(runs, Path(label))
    key = baseline_key(run, results)
    return RunGroup(label, runs, folders, key, 0.25, False, "", "", {})


def test_a_clear_lead_over_all_others_is_marked() -> None:
    first, second, third = group("a", 0.9, 0.91), group("b", 0.5, 0.5), group("c", 0.6, 0.62)
    assert best([second, first, third], BALANCED, METRIC) is first
    assert best([first], BALANCED, METRIC) is None
    assert best([first, group("d", 0.89, 0.92)], BALANCED, METRIC) is None


def test_a_mean_that_owes_its_lead_to_a_fold_of_its_own_is_not_marked() -> None:
    """On the folds of both the group with the higher mean is clearly the worse one."""
    first, second = group("a", 0.5, 0.5, 0.99), group("b", 0.6, 0.61)
    assert best([first, second], BALANCED, METRIC) is None
