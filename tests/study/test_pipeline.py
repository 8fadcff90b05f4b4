"""The whole study over tools that take no time: order, skipping, redoing, failing."""

import dataclasses
from pathlib import Path

import pytest

from mmselfsup.study import pipeline
from mmselfsup.study.records import read_results
from mmselfsup.study.settings import StudySettings
from mmselfsup.utils.errors import UserError
from tests.study.fake_tools import calls

ARMS = ("scratch", "simclr")
EVERYTHING = sorted(
    [
        "splits work/data/splits",
        "train work/ssl/simclr",
        "look work/looks/simclr",
        *(f"train work/finetune/{arm}/lr_{lr}" for arm in ARMS for lr in ("0.01", "0.1", "0.9")),
        *(f"train work/finetune/{arm}/final" for arm in ARMS),
        *(f"test work/finetune/{arm}/test" for arm in ARMS),
        *(f"explain work/finetune/{arm}/explain" for arm in ARMS),
    ]
)


def test_runs_everything_once(study: StudySettings, capfd: pytest.CaptureFixture[str]) -> None:
    results = pipeline.run_study(study)
    assert calls(study.root) == EVERYTHING
    assert [run.arm for run in results.runs] == list(ARMS)
    assert [run.lr for run in results.runs] == [0.1, 0.1]
    diverged = [run for run in results.lr_search if run.balanced_accuracy is None]
    assert [run.lr for run in diverged] == [0.9, 0.9]
    assert (study.work_dir / "report.html").exists()
    assert read_results(study.work_dir / "results.json").runs == results.runs

    output = capfd.readouterr().out
    assert output.count("$ python tools/train.py") == 9
    assert "load_from=work/ssl/simclr/backbone.pth" in output
    assert "SimCLR pre-training helps" in output
    assert "--logdir" in output

    pipeline.run_study(study)
    assert calls(study.root) == []


@pytest.mark.usefixtures("no_drawing")
def test_resumes_where_it_stopped(
    study: StudySettings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    study = dataclasses.replace(study, lrs=(0.01, 0.1), jobs=1)
    monkeypatch.setenv("FAIL_AT", "0.1")
    with pytest.raises(UserError, match=r"scratch, lr 0\.1 failed: .*out of luck.*output\.log"):
        pipeline.run_study(study)
    assert calls(study.root) == [
        "look work/looks/simclr",
        "splits work/data/splits",
        "train work/finetune/scratch/lr_0.01",
        "train work/finetune/scratch/lr_0.1",
        "train work/ssl/simclr",
    ]
    assert not (study.work_dir / "results.json").exists()
    monkeypatch.delenv("FAIL_AT")
    capfd.readouterr()
    pipeline.run_study(study)
    assert calls(study.root) == [
        "explain work/finetune/scratch/explain",
        "explain work/finetune/simclr/explain",
        "test work/finetune/scratch/test",
        "test work/finetune/simclr/test",
        "train work/finetune/scratch/final",
        "train work/finetune/scratch/lr_0.1",
        "train work/finetune/simclr/final",
        "train work/finetune/simclr/lr_0.01",
        "train work/finetune/simclr/lr_0.1",
    ]
    assert "resumes where it stopped" in capfd.readouterr().out


@pytest.mark.usefixtures("no_drawing")
def test_changed_settings_redo_what_depends_on_them(
    study: StudySettings, capfd: pytest.CaptureFixture[str]
) -> None:
    study = dataclasses.replace(study, lrs=(0.1,))
    pipeline.run_study(study)
    calls(study.root)
    capfd.readouterr()

    changed = dataclasses.replace(study, ssl_options=("optimizer.weight_decay=0.5",))
    pipeline.run_study(changed)
    assert calls(study.root) == [
        "explain work/finetune/simclr/explain",
        "look work/looks/simclr",
        "test work/finetune/simclr/test",
        "train work/finetune/simclr/final",
        "train work/ssl/simclr",
    ]
    assert "the old results are in work/ssl/simclr.old-1" in capfd.readouterr().out

    pipeline.run_study(dataclasses.replace(changed, lrs=(0.2,)))
    assert calls(study.root) == [
        "explain work/finetune/scratch/explain",
        "explain work/finetune/simclr/explain",
        "test work/finetune/scratch/test",
        "test work/finetune/simclr/test",
        "train work/finetune/scratch/final",
        "train work/finetune/simclr/final",
    ]
    assert "lr 0.1 -> 0.2" in capfd.readouterr().out


@pytest.mark.usefixtures("no_drawing")
def test_lesion_positives_keep_the_test_list_out(
    study: StudySettings, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ("data.train.lesion_positives.metadata=meta.csv",)
    study = dataclasses.replace(study, lrs=(0.1,), ssl_options=options, fold=2)
    pipeline.run_study(study)
    held_out = "data.train.lesion_positives.held_out=work/data/splits/ISIC_2019_test_fold2.txt"
    assert capfd.readouterr().out.count(held_out) == 1
    pipeline.run_study(study)
    assert len(calls(study.root)) == 9  # nothing is done again


@pytest.fixture
def two(study: StudySettings) -> StudySettings:
    """Two pre-trainings."""
    configs = {**study.ssl_configs, "byol": study.ssl_configs["simclr"]}
    return dataclasses.replace(study, ssl_configs=configs, lrs=(0.1,))


@pytest.mark.usefixtures("no_drawing")
def test_curriculum_starts_each_task_from_the_last_backbone(two: StudySettings) -> None:
    results = pipeline.run_study(two)
    assert [call for call in calls(two.root) if "ssl" in call] == [
        "train work/ssl/simclr",
        "train work/ssl/simclr+byol from work/ssl/simclr/backbone.pth",
    ]
    assert [run.arm for run in results.runs] == ["scratch", "simclr+byol"]
    assert [ssl.name for ssl in results.runs[1].ssl] == ["simclr", "simclr+byol"]
    assert results.runs[1].weights == "ssl/simclr+byol/backbone.pth"

    pipeline.run_study(two)
    assert calls(two.root) == []
    # another first task: everything after it is done again, the classifier from scratch is not
    changed = dataclasses.replace(two, ssl_options=("optimizer.weight_decay=0.5",))
    pipeline.run_study(changed)
    assert calls(two.root) == [
        "explain work/finetune/simclr+byol/explain",
        "look work/looks/simclr+byol",
        "test work/finetune/simclr+byol/test",
        "train work/finetune/simclr+byol/final",
        "train work/ssl/simclr",
        "train work/ssl/simclr+byol from work/ssl/simclr/backbone.pth",
    ]


@pytest.mark.usefixtures("no_drawing")
def test_comparison_trains_scratch_once_and_each_on_its_own(
    two: StudySettings, capfd: pytest.CaptureFixture[str]
) -> None:
    results = pipeline.run_study(dataclasses.replace(two, compare=True))
    done = calls(two.root)
    assert [call for call in done if "ssl" in call] == [
        "train work/ssl/byol",
        "train work/ssl/simclr",
    ]
    assert [call for call in done if "look" in call] == [
        "look work/looks/byol",
        "look work/looks/simclr",
    ]
    assert [call for call in done if "final" in call] == [
        f"train work/finetune/{arm}/final" for arm in ("byol", "scratch", "simclr")
    ]
    assert [run.arm for run in results.runs] == ["scratch", "simclr", "byol"]
    output = capfd.readouterr().out
    assert "SimCLR pre-training helps" in output
    assert "BYOL pre-training helps" in output

    pipeline.run_study(two)  # what both have in common isn't done again
    assert [call for call in calls(two.root) if "ssl" in call or "scratch" in call] == [
        "train work/ssl/simclr+byol from work/ssl/simclr/backbone.pth"
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fold": 5}, "fold 5: the folds are 0 to 4"),
        ({"gpus": 2}, "GPUS=2: there is none"),
        ({"ssl_options": ("model.backbone.depth=50",)}, "simclr has depth=50, that of .* 18"),
        ({"finetune_options": ("optimizer.lr=0.1",)}, "FINETUNE_LRS"),
        ({"ssl_options": ("optimizer.leraning_rate=0.1",)}, "leraning_rate"),
        ({"ssl_configs": {"simclr": Path("none.py")}}, r"none\.py"),
        ({"options": ("data.train.data_source.ann_file=a",)}, "ISIC_ROOT.*SPLITS"),
        ({"ssl_options": ("data.train.data_source.data_prefix=a",)}, "ISIC_ROOT.*SPLITS"),
        ({"finetune_options": ("data.val.data_source.ann_file=a",)}, "ISIC_ROOT.*SPLITS"),
        ({"ready_splits": Path()}, "SPLITS=.* lacks ISIC_2019_train_fold0.txt"),
    ],
)
def test_mistakes_are_found_before_anything_runs(
    study: StudySettings, change: dict, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        pipeline.run_study(dataclasses.replace(study, **change))
    assert calls(study.root) == []
    assert not study.work_dir.exists()


def test_other_input_channels_give_a_warning(
    study: StudySettings, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("model.backbone.in_channels=2",)
    pipeline.check(dataclasses.replace(study, ssl_options=options))
    assert "warning: simclr has 2 input channels, the classifier 3" in capsys.readouterr().out
