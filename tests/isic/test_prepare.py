"""From the challenge's files to lists."""

import json
from pathlib import Path

import pytest

from mmselfsup.datasets.data_sources import ImageList
from mmselfsup.isic.prepare import prepare_splits
from mmselfsup.utils import fold_lists
from mmselfsup.utils.errors import UserError

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
        train, test, subtrain, val = (read(out, part, fold) for part in fold_lists.PARTS)
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

    monkeypatch.setattr(fold_lists, "atomic_write_text", fail_at_third)
    with pytest.raises(UserError, match="no space"):
        prepare_splits(challenge, seed=1)
    assert not (challenge / "splits/splits.json").exists()
    monkeypatch.undo()
    assert prepare_splits(challenge) == whole
