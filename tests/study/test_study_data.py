"""A study of another data set takes every name and command from that set's description."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import mmselfsup.study
from mmselfsup.isic.study_data import ISIC_2019
from mmselfsup.study.cli import parse
from mmselfsup.study.data import check_fold, ground_truth_csv, metadata_csv
from mmselfsup.study.settings import DEFAULT_DATA, StudySettings
from mmselfsup.study.stages.prepare import splits_stage
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.study_data import StudyData, TableFile


def find_scans(root: Path) -> tuple[Path, dict[str, str]]:
    files = {path.stem: path.name for path in (root / "scans").glob("*.png")}
    if not files:
        raise UserError(f"no scans below {root}")
    return root / "scans", files


def find_table(root: Path, name: str, option: str) -> Path:
    if not (root / name).is_file():
        raise UserError(f"{name} is not below {root}; name it with {option}")
    return root / name


CLINIC = StudyData(
    name="Clinic",
    folder="clinic",
    root_variable="CLINIC_ROOT",
    program="run_study.py",
    guide="docs/clinic.md",
    labels=TableFile("my.csv", "--data"),
    groups=TableFile("patients.csv", "--patients"),
    find_images=find_scans,
    find_table=find_table,
    lists="clinic",
    split_command=("tools/split.py", "--group-column", "patient_id"),
    compare_command=("tools/compare.py",),
    explain_command=("tools/explain.py",),
    configs="clinic",
    full_size="128",
    num_folds=3,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in (
        "selfsup/simclr/simclr_clinic.py",
        "selfsup/simclr/simclr_clinic-64.py",
        "selfsup/simclr/simclr_isic2019.py",
        "benchmarks/classification/clinic/r50_clinic.py",
        "benchmarks/classification/clinic/r18_clinic-64.py",
        "benchmarks/classification/isic2019/r50_isic2019.py",
    ):
        path = tmp_path / "repo" / "configs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "images" / "scans").mkdir(parents=True)
    (tmp_path / "images" / "scans" / "1.png").touch()
    return tmp_path / "repo"


def study(root: Path, *argv: str, **env: str) -> StudySettings:
    env = {"CLINIC_ROOT": str(root.parent / "images"), **env}
    (settings,) = parse(argv, env, root, CLINIC).studies
    return settings


def test_configs_and_folders_are_those_of_the_description(root: Path) -> None:
    settings = study(root)
    assert settings.data_root == root.parent / "images"
    assert settings.ssl_configs["simclr"].name == "simclr_clinic.py"
    assert settings.finetune_config.name == "r50_clinic.py"
    assert settings.work_dir == Path("work_dirs/clinic/simclr_fold0_seed0")
    assert study(root, SIZE="128").ssl_configs["simclr"].name == "simclr_clinic.py"
    assert study(root, SIZE="64").finetune_config.name == "r18_clinic-64.py"
    assert settings.split("val").name == "clinic_val_fold0.txt"
    assert replace(settings, ssl_on="all").ssl_list.name == "clinic_train+test_fold0.txt"


def test_tables_and_the_command_of_the_lists(root: Path) -> None:
    settings = study(root)
    assert (ground_truth_csv(settings), metadata_csv(settings)) == (None, None)
    for name in ("my.csv", "patients.csv"):
        (settings.data_root / name).touch()
    assert ground_truth_csv(settings) == settings.data_root / "my.csv"
    argv = splits_stage(settings, Path("images")).argv
    assert argv[:5] == (*CLINIC.split_command, "--root", str(settings.data_root))
    assert argv[5:7] == ("--patients", str(settings.data_root / "patients.csv"))
    assert argv[argv.index("--folds") + 1] == "3"

    own = root.parent / "own.csv"
    own.touch()
    assert ground_truth_csv(replace(settings, splits=("--data", str(own)))) == own


@pytest.mark.parametrize(
    ("argv", "env", "message"),
    [
        ([], {"CLINIC_ROOT": ""}, "CLINIC_ROOT is not set: get Clinic as docs/clinic.md describes"),
        ([], {"CLINIC_ROOT": "/nowhere"}, "CLINIC_ROOT=/nowhere: no scans below /nowhere; get"),
        ([], {"ALGORITHM": "byol"}, r"no Clinic \(SIZE=128\) config .*available: simclr"),
        ([], {"SPLITS": "nowhere"}, "tools/split.py such as"),
        ([], {"SPLITS": "--root a"}, "CLINIC_ROOT names the data"),
        (["--demo"], {}, "Clinic has no synthetic images; set CLINIC_ROOT"),
    ],
)
def test_messages_name_the_data_set(
    argv: list[str], env: dict[str, str], message: str, root: Path
) -> None:
    with pytest.raises(UserError, match=message) as error:
        study(root, *argv, **env)
    assert "ISIC" not in str(error.value)
    assert "try --demo" not in str(error.value)


def test_the_number_of_folds(root: Path) -> None:
    check_fold(study(root, FOLD="2"))
    with pytest.raises(UserError, match="the folds are 0 to 2"):
        check_fold(study(root, FOLD="3"))


def test_tools_of_the_default_exist() -> None:
    root = Path(mmselfsup.study.__file__).parents[2]
    data = DEFAULT_DATA
    assert data.demo is not None
    commands = (data.split_command, data.compare_command, data.explain_command, data.demo.command)
    for name in (data.program, data.guide, *(command[0] for command in commands)):
        assert (root / name).is_file(), name
    assert (root / "configs" / "benchmarks" / "classification" / data.configs).is_dir()


def test_the_study_names_its_data_set_in_one_place() -> None:
    """Elsewhere the name would be wrong for any other data set."""
    folder = Path(mmselfsup.study.__file__).parent
    files = [path for path in folder.rglob("*") if path.suffix in (".py", ".j2", ".css")]
    assert len(files) > 20
    lines = [
        line
        for path in files
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search("isic", line, re.IGNORECASE)
        and path.name not in ("descriptions.py", "few_labels.py")  # they name tools and configs
        and "from mmselfsup.isic.color_constancy import" not in line  # of any photographs
    ]
    assert lines == ["from mmselfsup.isic.study_data import ISIC_2019 as DEFAULT_DATA"]
    assert DEFAULT_DATA is ISIC_2019
