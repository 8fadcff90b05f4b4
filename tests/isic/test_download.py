"""The check of the download, and the script that does everything."""

import os
import subprocess
from pathlib import Path

import pytest

from mmselfsup.isic.challenge import CHECKSUMS, check_download
from mmselfsup.utils.errors import UserError
from tests.tools.command import ROOT, run_tool

FAKE = """#!/usr/bin/env bash
echo "$(basename "$1") ${*:2}" >> "$CALLS"
case "$*" in
*--print-images*) echo pictures ;;
*--print-csv*) printf '%s\n' "${CSV:-in/ISIC_2019_Training_GroundTruth.csv}" ;;
*apply_color_constancy*) mkdir -p "$OUT"; [ -z "${BROKEN:-}" ] || exit 1 ;;
*compute_mean_std*) mkdir -p "$OUT"; echo "img_norm_cfg = 1" ;;
esac
"""


def test_check(challenge: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="is not the official file"):
        check_download(challenge)
    found = check_download(challenge, any_csv=True)
    assert (found.num_listed, found.num_here) == (80, 80)
    (found.images / "ISIC_0000003.jpg").unlink()
    with pytest.raises(UserError, match=r"1 of 80 images .*ISIC_0000003.*--partial"):
        check_download(challenge, any_csv=True)
    argv = ["--root", ".", "--any-csv", "--partial"]
    done = run_tool("isic2019/check_download.py", *argv, folder=challenge)
    assert done.last_line == "79 of 80 images in ISIC_2019_Training_Input"
    assert len(CHECKSUMS) == 3


def test_which_csv_files_were_checked(challenge: Path) -> None:
    for folder, text in (("a raw", ""), ("copy", "edited"), ("old", "edited")):
        (challenge / folder).mkdir()
        for path in challenge.glob("*.csv"):
            (challenge / folder / path.name).write_text(path.read_text() + text)
    for path in challenge.glob("*.csv"):
        path.unlink()
    (challenge / "copy" / "ISIC_2019_Test_GroundTruth.csv").write_text("image\n")
    names = [
        "a raw/ISIC_2019_Training_GroundTruth.csv",
        "a raw/ISIC_2019_Training_Metadata.csv",
        "copy/ISIC_2019_Test_GroundTruth.csv",
    ]
    found = check_download(challenge, any_csv=True)
    assert [str(path.relative_to(challenge)) for path in found.csv_files] == names
    argv = ["--root", ".", "--any-csv", "--print-csv"]
    done = run_tool("isic2019/check_download.py", *argv, folder=challenge)
    assert done.text.splitlines()[-3:] == names


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a stand-in for Python that writes its calls down."""
    (tmp_path / "python").write_text(FAKE)
    (tmp_path / "python").chmod(0o755)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "ISIC_2019_Training_GroundTruth.csv").write_text("image\n")
    return tmp_path


def prepare(place: Path, **options: str) -> tuple[int, list[str]]:
    names = {"PYTHON": "./python", "CALLS": "calls", "ISIC_ROOT": "in", "OUT": "out", **options}
    script = ROOT / "tools" / "isic2019" / "prepare_all.sh"
    done = subprocess.run(
        ["bash", script], cwd=place, env={**os.environ, **names}, capture_output=True, timeout=60
    )
    calls = (place / "calls").read_text().splitlines()
    (place / "calls").unlink()
    return done.returncode, calls


def test_prepare_all(place: Path) -> None:
    code, calls = prepare(place, CHECK="--partial", SPLITS="--group-duplicates", WORKERS="2")
    assert code == 0
    assert [call.split()[0] for call in calls] == [
        "check_download.py",
        "check_download.py",
        "check_download.py",
        "apply_color_constancy.py",
        "prepare_splits.py",
        "compute_mean_std.py",
        "contact_sheet.py",
    ]
    assert calls[0] == "check_download.py --root in --partial"
    images = "--src pictures --dst out/ISIC_2019_Training_Input --crop-border --short-side 256"
    assert calls[3] == f"apply_color_constancy.py {images} --workers 2"
    assert calls[4] == "prepare_splits.py --root out --group-duplicates --workers 2"
    assert (place / "out" / "ISIC_2019_Training_GroundTruth.csv").exists()
    assert (place / "out" / "statistics.txt").read_text() == "img_norm_cfg = 1\n"


def test_prepare_all_copies_the_files_that_it_checked(place: Path) -> None:
    name = "ISIC_2019_Training_GroundTruth.csv"
    for folder in ("a b", "copy", "old"):
        (place / "in" / folder).mkdir()
        (place / "in" / folder / name).write_text(f"image of {folder}\n")
    for folder in ("a b", "copy", "old"):
        assert prepare(place, CSV=f"in/{folder}/{name}")[0] == 0
        assert (place / "out" / name).read_text() == f"image of {folder}\n"
    assert prepare(place, CSV=f"out/{name}")[0] == 0  # it is in its place already


def test_prepare_all_with_test_images(place: Path) -> None:
    (place / "in" / "ISIC_2019_Test_Input").mkdir()
    code, calls = prepare(place, OUT="in/out", IMAGES="--keep-colors", SHORT_SIDE="64")
    assert code == 0
    dst, options = "in/out/ISIC_2019_Test_Input", "--crop-border --short-side 64 --keep-colors"
    call = f"apply_color_constancy.py --src in/ISIC_2019_Test_Input --dst {dst} {options}"
    assert calls[4] == call
    (place / "in" / "out" / "ISIC_2019_Test_Input").mkdir()
    assert prepare(place, OUT="in/out", IMAGES="--keep-colors", SHORT_SIDE="64")[1][4] == call


def test_prepare_all_says_where_options_go(place: Path) -> None:
    script = ROOT / "tools" / "isic2019" / "prepare_all.sh"

    def run(*argv: str, **env: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PYTHON": "./python", "CALLS": "calls", "ISIC_ROOT": "in", **env}
        line = ["bash", str(script), *argv]
        return subprocess.run(line, cwd=place, env=env, capture_output=True, text=True, timeout=60)

    shown = run("--help")
    assert shown.returncode == 0
    assert "SPLITS      options of prepare_splits.py" in shown.stdout
    assert "set -euo" not in shown.stdout
    refused = run("--partial")
    assert refused.returncode == 2
    assert "such as CHECK=--partial" in refused.stderr
    assert not (place / "calls").exists()
    failed = run(OUT="out", BROKEN="1")
    assert failed.returncode == 1
    assert 'options of this step are given as IMAGES="' in failed.stderr


def test_prepare_all_stops_at_a_failure(place: Path) -> None:
    code, calls = prepare(place, BROKEN="1")
    assert code == 1
    assert calls[-1].startswith("apply_color_constancy.py")
    assert prepare(place)[0] == 0  # and resumes when called again
