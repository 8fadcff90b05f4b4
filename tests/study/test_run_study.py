"""tools/run_study.py and ``mmselfsup study``: which study they start, where, with which words."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmselfsup.cli import COMMANDS
from mmselfsup.study import descriptions, pipeline
from mmselfsup.study.report.words import licence, words_of, write_words
from mmselfsup.study.settings import StudyRequest
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.repository import study_root
from mmselfsup.utils.study_data import WORDS, Words

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The functions of the tool, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ISIC_ROOT", raising=False)
    return runpy.run_path(str(ROOT / COMMANDS["study"].tool))


def start(tool: dict[str, Any], *argv: str) -> int:
    return tool["main"](*tool["parse_args"](list(argv)))


def test_it_needs_data(tool: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"which data\? --data names .* ISIC_ROOT names"):
        start(tool)
    with pytest.raises(UserError, match=r"--label-column, --value-range: name the data, too"):
        start(tool, "--label-column", "dx", "--value-range", "0", "9", "--demo")


def test_folders_of_images_that_are_not_there(tool: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "my.csv").write_text("image,label\n1.png,a\n")
    with pytest.raises(UserError, match=r"^--images nowhere: there is no such folder"):
        start(tool, "--data", "my.csv", "--images", "here", "nowhere")


def test_a_misspelt_option_is_named_before_the_images_are_measured(
    tool: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "my.csv").write_text("image,label\n1.png,a\n")  # without its image
    with pytest.raises(UserError, match=r"^unrecognized arguments: --folds; .*--help lists"):
        start(tool, "--data", "my.csv", "--folds", "7")
    assert not (tmp_path / "work_dirs").exists()


def test_without_data_it_is_the_study_of_isic_2019(tool: dict[str, Any], tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "ISIC_ROOT": str(tmp_path / "none")}
    own = [sys.executable, str(ROOT / "tools" / "run_study.py"), "ALGORITHM=simclr"]
    old = [own[0], str(ROOT / "tools" / "isic2019" / "run_study.py"), own[2]]
    ends = [
        subprocess.run(argv, env=env, capture_output=True, text=True, timeout=120)
        for argv in (own, old)
    ]
    assert ends[0].returncode == ends[1].returncode == 2
    assert ends[0].stderr == ends[1].stderr
    assert "ISIC_ROOT" in ends[0].stderr


def test_paths_are_those_of_the_current_folder(
    tool: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    for n in range(20):
        place = tmp_path / "photos" / f"kind{n % 2}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(place / f"{n}.png")
    found: list[StudyRequest] = []
    monkeypatch.setattr(pipeline, "run_sweep", found.append)
    # An installed package: results belong into the current folder.
    installed = tmp_path / "package" / ".mim"
    installed.mkdir(parents=True)
    for name in ("tools", "configs", "train_SSL_with_finetuning_ISIC2019.sh"):
        (installed / name).symlink_to(ROOT / name)
    monkeypatch.setitem(tool["main"].__globals__, "ROOT", installed)
    monkeypatch.setenv("SIZE", "64")
    monkeypatch.setenv("WORK_DIR", "results")
    monkeypatch.setenv("FINETUNE_LRS", "0.1")
    start(tool, "--data", "photos", "--name", "Own", "--licence", "CC BY 4.0", "--start", "scratch")
    (study,) = found[0].studies
    assert Path.cwd() == tmp_path
    assert (tmp_path / study.work_dir) == tmp_path / "results"
    assert (tmp_path / "work_dirs" / "own" / "source" / descriptions.LABELS).is_file()
    assert not (installed / "work_dirs").exists()
    words = json.loads((tmp_path / "results" / WORDS).read_text())
    assert words["licence"] == "CC BY 4.0"
    beside = tmp_path / "work_dirs" / "own" / "source" / WORDS  # find_issues.py reads them there
    assert json.loads(beside.read_text()) == words


def test_an_installed_study_leaves_other_files_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert study_root(ROOT) == ROOT
    (tmp_path / "configs").mkdir()
    with pytest.raises(UserError, match="in the way of a link"):
        study_root(tmp_path / ".mim")


def test_shipped_descriptions_say_who_states_their_licence() -> None:
    """A licence has its source in the comment above it; without one, nobody was found."""
    files = sorted((ROOT / descriptions.DESCRIPTIONS).glob("*.yaml"))
    assert len(files) >= 12
    for file in files:
        description = descriptions.read_description(file)
        text = file.read_text()
        assert ("# Licence: not verified" in text) == (not description.licence), file
        if description.licence:
            assert "http" in text.split("# Licence:")[1].split("\nlicence:")[0], file
        assert descriptions.study_data(description, ["a", "b"]).licence == description.licence


def test_reports_state_the_licence_of_the_description(tmp_path: Path) -> None:
    assert licence() == "CC BY-NC 4.0"  # ISIC-2019, without a file of words
    write_words(tmp_path, Words("Clinic", licence="CC BY 4.0"))
    with words_of(tmp_path):
        assert licence() == "CC BY 4.0"
    write_words(tmp_path, Words("Clinic"))
    with words_of(tmp_path):
        assert licence() == ""
    with pytest.raises(UserError, match="licence must be words"):
        descriptions.make_description({"name": "x", "licence": 4.0}, "here")
