"""Folds and seeds given as lists: a folder each, one report over all."""

import dataclasses

import pytest

from mmselfsup.study.pipeline import run_sweep
from mmselfsup.study.settings import StudyRequest, StudySettings
from mmselfsup.utils.errors import UserError
from tests.study.fake_tools import calls

pytestmark = pytest.mark.usefixtures("no_drawing")


def sweep(study: StudySettings, folds: tuple[int, ...], seeds: tuple[int, ...]) -> StudyRequest:
    studies = tuple(
        dataclasses.replace(
            study,
            lrs=(0.1,),
            fold=fold,
            seed=seed,
            data_dir=study.work_dir / "data",
            work_dir=study.work_dir / f"fold{fold}_seed{seed}",
        )
        for fold in folds
        for seed in seeds
    )
    return StudyRequest(study.work_dir, studies, several=True)


def test_every_fold_and_seed_and_a_report_over_them(
    study: StudySettings, capfd: pytest.CaptureFixture[str]
) -> None:
    run_sweep(sweep(study, (0, 1), (0, 2)))
    done = calls(study.root)
    assert done.count("splits work/data/splits") == 1
    assert sum("ssl" in call for call in done) == 4
    for name in ("report.html", "table.csv", "table.tex", "fold1_seed2/report.html"):
        assert (study.work_dir / name).is_file()
    assert "2 x 2" in capfd.readouterr().out
    run_sweep(sweep(study, (0,), (0, 3)))
    assert sum("ssl" in call for call in calls(study.root)) == 1


def test_a_mistake_in_the_last_fold_is_found_first(study: StudySettings) -> None:
    with pytest.raises(UserError, match="fold 7"):
        run_sweep(sweep(study, (0, 7), (0,)))
    assert calls(study.root) == []


def test_a_single_study_gets_its_tables(study: StudySettings) -> None:
    single = dataclasses.replace(study, lrs=(0.1,))
    run_sweep(StudyRequest(study.work_dir, (single,), several=False))
    assert (study.work_dir / "table.tex").is_file()
    assert not (study.work_dir / "overview.html").exists()
