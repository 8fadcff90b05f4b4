"""From the challenge's files to lists."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mmselfsup.datasets.data_sources import ImageList
from mmselfsup.isic import split_lists
from mmselfsup.isic.prepare import prepare_splits
from mmselfsup.utils.errors import UserError

TOOL = Path(__file__).parents[2] / "tools/isic2019/prepare_splits.py"
GROUND_TRUTH = "ISIC_2019_Training_GroundTruth.csv"
METADATA = "ISIC_2019_Training_Metadata.csv"
IMAGES = "ISIC_2019_Training_Input"


def read(folder: Path, part: str, fold: int) -> dict[str, int]:
    """Label by file name of a list."""
    lines = (folder / f"ISIC_2019_{part}_fold{fold}.txt").read_text().splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines]
    assert len({name for name, _ in pairs}) == len(pairs)
    return {name: int(label) for name, label in pairs}


def everything(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


def test_every_image_is_tested_once_and_lesions_stay_together(challenge: Path) -> None:
    summary = prepare_splits(challenge)
    out = challenge / "splits"
    assert json.loads((out / "splits.json").read_text()) == summary
    assert len(everything(out)) == 21
    tested: dict[str, int] = {}
    for fold in range(5):
        train, test, subtrain, val = (read(out, part, fold) for part in split_lists.PARTS)
        assert not tested.keys() & test.keys()
        tested |= test
        for whole, one, other in ((80, train, test), (len(train), subtrain, val)):
            assert len(one) + len(other) == whole
            assert not lesions(one) & lesions(other)
        assert {**subtrain, **val} == train
        assert sorted(set(test.values())) == list(range(8))
        counted = summary["folds"][fold]["train"]
        assert counted["num_images"] == sum(counted["class_counts"].values()) == len(train)
    assert tested == {f"ISIC_{i:07d}.jpg": i % 8 for i in range(80)}
    assert summary["num_lesions"] == 40
    assert summary["num_without_lesion_id"] == 8


def lesions(names: dict[str, int]) -> set[str]:
    """The fixture's lesions: images i and i + 8 of an even eighth are one, the last are alone."""
    numbers = [int(name[5:12]) for name in names]
    return {f"{i % 8} {i // 16}" if i < 72 else f"alone {i}" for i in numbers}


def test_equal_seeds_give_equal_bytes_for_any_order_of_rows(challenge: Path) -> None:
    prepare_splits(challenge, out=challenge / "a")
    for name in (GROUND_TRUTH, METADATA):
        head, *rows = (challenge / name).read_text().splitlines()
        (challenge / name).write_text("\n".join([head, *rows[::-1]]) + "\n")
    prepare_splits(challenge, out=challenge / "b")
    prepare_splits(challenge, out=challenge / "c", seed=1)
    assert everything(challenge / "a") == everything(challenge / "b")
    assert everything(challenge / "a") != everything(challenge / "c")


def test_missing_images_are_left_out_and_move_no_other(
    challenge: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare_splits(challenge, out=challenge / "all")
    for i in (3, 40, 41):
        (challenge / IMAGES / f"ISIC_{i:07d}.jpg").unlink()
    summary = prepare_splits(challenge, out=challenge / "some")
    assert (summary["num_images"], summary["num_not_on_disk"]) == (77, 3)
    assert "warning: 3 listed images are not in" in capsys.readouterr().err
    for fold in range(5):
        whole = read(challenge / "all", "test", fold)
        some = read(challenge / "some", "test", fold)
        assert set(whole) - set(some) <= {f"ISIC_{i:07d}.jpg" for i in (3, 40, 41)}


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
    assert any("ISIC_0000000.JPEG" in read(challenge / "after", "test", k) for k in range(5))


def test_the_data_source_reads_the_lists(challenge: Path) -> None:
    summary = prepare_splits(challenge)
    source = ImageList(
        str(challenge / "splits" / summary["images"]),
        classes=summary["classes"],
        ann_file=str(challenge / "splits/ISIC_2019_test_fold2.txt"),
    )
    assert len(source) == summary["folds"][2]["test"]["num_images"]
    assert source.get_img(0).size == (8, 6)
    assert source.get_gt_labels().tolist() == list(read(challenge / "splits", "test", 2).values())


def test_fewer_folds_take_the_old_lists_away(challenge: Path) -> None:
    prepare_splits(challenge)
    (challenge / "splits/notes.txt").write_text("mine")
    prepare_splits(challenge, num_folds=2)
    assert len(everything(challenge / "splits")) == 2 * 4 + 2


def test_a_failure_half_way_leaves_no_summary_and_no_torn_list(
    challenge: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = prepare_splits(challenge)
    written: list[Path] = []

    def fail_at_third(path: Path, text: str) -> None:
        if len(written) == 2:
            raise UserError("no space")
        written.append(path)

    monkeypatch.setattr(split_lists, "atomic_write_text", fail_at_third)
    with pytest.raises(UserError, match="no space"):
        prepare_splits(challenge, seed=1)
    assert not (challenge / "splits/splits.json").exists()
    monkeypatch.undo()
    assert prepare_splits(challenge) == whole


def test_what_is_missing_is_named(challenge: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no folder .*--root"):
        prepare_splits(tmp_path / "absent")
    with pytest.raises(UserError, match=r"there is no folder .*--images"):
        prepare_splits(challenge, images=tmp_path / "absent")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/x.jpg").touch()
    with pytest.raises(UserError, match="none of the 80 images of"):
        prepare_splits(challenge, images=tmp_path / "other")
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
