"""A finished study, as the trainings would have left it."""

from pathlib import Path

import pytest

from mmselfsup.study import fingerprint, pipeline
from mmselfsup.study import process as machine
from mmselfsup.study.find_configs import find_finetune_config, find_ssl_config
from mmselfsup.study.image_digests import ImageDigests
from mmselfsup.study.settings import StudySettings
from tests.study.fake_tools import make_fake_repository
from tests.study.study_data import write_finished_study


@pytest.fixture(autouse=True)
def no_digests_of_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the study before, whose digests have a place in the folder that was current then."""
    monkeypatch.setattr(fingerprint, "_DIGESTS", [ImageDigests()])


@pytest.fixture
def finished_study(tmp_path: Path) -> Path:
    """A work directory with results.json, logs and a resolved config."""
    write_finished_study(tmp_path)
    return tmp_path


CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudySettings:
    """A study in a repository of fake tools."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        machine, "inspect_machine", lambda: machine.Machine(cores=2, gpus=0, warm=True)
    )
    make_fake_repository(tmp_path)
    return StudySettings(
        root=tmp_path,
        data_root=Path("isic"),
        work_dir=Path("work"),
        ssl_configs={"simclr": find_ssl_config(CONFIGS, "simclr", "demo")},
        finetune_config=find_finetune_config(CONFIGS, "demo"),
        lrs=(0.01, 0.1, 0.9),
        options=("runner.max_epochs=1",),
    )


@pytest.fixture
def no_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the figures of report.html: they take long, and have tests of their own."""

    def write(work_dir: Path) -> Path:
        (work_dir / "report.html").touch()
        return work_dir / "report.html"

    monkeypatch.setattr(pipeline, "write_report", write)
