"""What users have on disk, and what the tool says about it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mmselfsup.isic.prepare import Files, prepare_splits
from mmselfsup.utils.errors import UserError

TOOL = Path(__file__).parents[2] / "tools/isic2019/prepare_splits.py"
GROUND_TRUTH = "ISIC_2019_Training_GroundTruth.csv"
METADATA = "ISIC_2019_Training_Metadata.csv"
IMAGES = "ISIC_2019_Training_Input"


def test_unknown_class_and_missing_metadata_are_counted(
    challenge: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (challenge / GROUND_TRUTH).open("a") as file:
        file.write("odd,0,0,0,0,0,0,0,0,1\n")
    summary = prepare_splits(challenge)
    assert (summary["num_listed"], summary["num_unknown"], summary["num_images"]) == (81, 1, 80)
    warnings = capsys.readouterr().err
    assert "1 images of ISIC_2019_Training_GroundTruth.csv are not in" in warnings
    assert "1 listed images are UNK" in warnings


def test_nested_folders_and_other_extensions_are_found(challenge: Path) -> None:
    before = prepare_splits(challenge, out=challenge / "before")
    (challenge / "nested").mkdir()
    shutil.move(challenge / IMAGES, challenge / "nested" / IMAGES)
    shutil.move(challenge / "nested", challenge / IMAGES)
    (challenge / IMAGES / IMAGES / "ISIC_0000000.jpg").rename(
        challenge / IMAGES / IMAGES / "ISIC_0000000.JPEG"
    )
    (challenge / "csv").mkdir()
    shutil.move(challenge / METADATA, challenge / "csv")
    after = prepare_splits(challenge, out=challenge / "after")
    assert before["images"] == f"../{IMAGES}"
    assert after["images"] == f"../{IMAGES}/{IMAGES}"
    assert after["num_images"] == 80
    lists = [path.read_text() for path in (challenge / "after").glob("*test_fold*.txt")]
    assert "".join(lists).count("ISIC_0000000.JPEG 0\n") == 1


def test_what_is_missing_is_named(challenge: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no folder .*--root"):
        prepare_splits(tmp_path / "absent")
    with pytest.raises(UserError, match=r"there is no folder .*--images"):
        prepare_splits(challenge, files=Files(images=tmp_path / "absent"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other/x.jpg").touch()
    with pytest.raises(UserError, match="none of the 80 listed images is in"):
        prepare_splits(challenge, files=Files(images=tmp_path / "other"))
    with pytest.raises(UserError, match=r"must be 2\.\.48 \(groups\), got 1"):
        prepare_splits(challenge, num_folds=1)
    (challenge / IMAGES).rename(challenge / "elsewhere")
    (challenge / f"{IMAGES}.zip").touch()
    with pytest.raises(UserError, match=rf"no images in .*; unpack .*{IMAGES}.zip"):
        prepare_splits(challenge)
    (challenge / METADATA).unlink()
    with pytest.raises(UserError, match=rf"{METADATA} is not below .*--metadata"):
        prepare_splits(challenge)
    assert not (challenge / "splits").exists()


def test_lesions_of_several_classes_are_said(
    challenge: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = (challenge / METADATA).read_text().replace("HAM_10,", "HAM_00,")
    (challenge / METADATA).write_text(table)
    assert prepare_splits(challenge)["num_lesions"] < 40
    assert "warning: 1 lesions have images of several classes" in capsys.readouterr().err


def test_command_line(challenge: Path) -> None:
    def call(*args: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([sys.executable, TOOL, *args], capture_output=True, text=True)

    good = call("--root", str(challenge), "--folds", "3", "--seed", "7")
    assert good.returncode == 0, good.stderr
    assert good.stdout.startswith("test images of each class, and length of the lists (seed 7)")
    assert "80 of 80 listed images, 40 lesions and 8 images without" in good.stdout
    assert (challenge / "splits/splits.json").exists()
    bad = call("--root", str(challenge), "--ground-truth", str(challenge / METADATA))
    assert bad.returncode == 2
    assert bad.stderr.startswith("error: ")
    assert bad.stderr.count("\n") == 1
    assert "lacks the column(s) MEL" in bad.stderr
