"""The learning rate is chosen by validation balanced accuracy, for each arm."""

import dataclasses
from pathlib import Path

import pytest

from mmselfsup.study.report.tables import at_the_edge
from mmselfsup.study.resolved import ResolvedStudy
from mmselfsup.study.settings import StudySettings
from mmselfsup.study.stages.labels import Part, search_stage
from mmselfsup.study.stages.lr_search import check_evaluation, choose_lr
from mmselfsup.utils.errors import UserError
from tests.study.study_data import make_search


@pytest.mark.parametrize(
    ("values", "lr"),
    [
        ((0.3, 0.5, 0.4), 0.03),
        ((0.5, 0.5, 0.4), 0.01),  # equal: the smaller one
        ((None, 0.2, None), 0.03),  # diverged runs don't count
        ((0.0, None, None), 0.01),
        ((0.1, 0.2, 0.3), 0.1),
    ],
)
def test_best_validation_wins(values: tuple[float | None, ...], lr: float) -> None:
    chosen = [run.lr for run in choose_lr(make_search("scratch", values)) if run.chosen]
    assert chosen == [lr]


def test_all_diverged_is_an_error() -> None:
    with pytest.raises(UserError, match=r"from scratch: .*0\.03, 0\.1 gave a result"):
        choose_lr(make_search("scratch", (None, None, None)))


def test_choice_at_the_edge_is_said() -> None:
    assert at_the_edge(choose_lr(make_search("a", (0.1, 0.5, 0.2)))) is None
    assert "smallest" in (at_the_edge(choose_lr(make_search("a", (0.5, 0.2, 0.2)))) or "")
    assert "largest" in (at_the_edge(choose_lr(make_search("a", (0.1, 0.2, 0.5)))) or "")
    assert at_the_edge(choose_lr(make_search("a", (0.5, 0.2, 0.2))[:1])) is None


def resolved(study: StudySettings, *options: str, epochs: int = 6) -> ResolvedStudy:
    runner = (f"runner.max_epochs={epochs}",)
    return ResolvedStudy(
        dataclasses.replace(study, options=runner, finetune_options=options), Path("isic")
    )


@pytest.mark.parametrize(
    "options",
    [
        ("evaluation.interval=4",),
        ("evaluation.interval=2", "evaluation.start=1"),
        ("evaluation.start=7",),
        ("evaluation=None",),
    ],
)
def test_a_search_without_a_result_is_found_before_all_trainings(
    study: StudySettings, options: tuple[str, ...]
) -> None:
    with pytest.raises(UserError, match="not evaluated after its last epoch, 6"):
        check_evaluation(resolved(study, *options))
    alone = dataclasses.replace(study, lrs=(0.1,))
    check_evaluation(resolved(alone, *options))  # nothing is chosen


@pytest.mark.parametrize("options", [(), ("evaluation.interval=3", "evaluation.start=3")])
def test_an_evaluation_after_the_last_epoch_is_enough(
    study: StudySettings, options: tuple[str, ...]
) -> None:
    check_evaluation(resolved(study, *options))
    few = resolved(dataclasses.replace(study, labels=(10.0,)), *options)
    argv = search_stage(few, Part("scratch", 10.0), 0.1).argv
    assert ("evaluation.start=None" in argv) == bool(options)  # another number of epochs


@pytest.mark.parametrize(
    "option", ["custom_hooks=[{'type':'EarlyStoppingHook'}]", "lr_config.policy=ReduceLROnPlateau"]
)
def test_what_needs_evaluations_has_none_in_the_final_training(
    study: StudySettings, option: str
) -> None:
    study = dataclasses.replace(study, lrs=(0.1,))
    with pytest.raises(UserError, match=r"FINETUNE_CONFIG has (E|R).* which needs evaluations"):
        check_evaluation(resolved(study, option))
