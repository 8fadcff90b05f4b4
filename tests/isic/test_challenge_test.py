"""The list of the challenge's test images, and folds that lack a class."""

from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from mmselfsup.datasets.data_sources import ImageList
from mmselfsup.isic.folds import check_folds, source_table
from mmselfsup.isic.prepare import Files, prepare_splits
from mmselfsup.utils.errors import UserError
from tests.isic.conftest import ground_truth_csv, metadata_csv
from tests.tools.command import run_tool

LIST = "ISIC_2019_challenge_test.txt"
TRUTH = {f"ISIC_9{i:06d}": i % 9 for i in range(18)}


def add_test(root: Path, truth: bool, images: int) -> None:
    rows = "".join(f"{name},60,,female\n" for name in TRUTH)
    (root / "ISIC_2019_Test_Metadata.csv").write_text(
        "image,age_approx,anatom_site_general,sex\n" + rows
    )
    if truth:
        (root / "ISIC_2019_Test_GroundTruth.csv").write_text(ground_truth_csv(TRUTH))
    for name in list(TRUTH)[:images]:
        (root / "ISIC_2019_Test_Input").mkdir(exist_ok=True)
        Image.new("RGB", (4, 4)).save(root / "ISIC_2019_Test_Input" / f"{name}.jpg")


def test_no_test_files_no_list(challenge: Path) -> None:
    assert "challenge_test" not in prepare_splits(challenge)
    assert not (challenge / "splits" / LIST).exists()


def test_options_without_effect_are_refused(challenge: Path) -> None:
    """Without the table of the test set its folder would be left out, as if nobody had named it."""
    (challenge / "photos").mkdir()
    Image.new("RGB", (4, 4)).save(challenge / "photos" / "ISIC_9000000.jpg")
    with pytest.raises(UserError, match="photos: no file lists the challenge's test images; put"):
        prepare_splits(challenge, Files(test_images=challenge / "photos"))
    root = ("--root", str(challenge), "--out", str(challenge / "lists"))
    argv = (*root, "--duplicate-distance", "30")
    done = run_tool("isic2019/prepare_splits.py", *argv, folder=challenge)
    assert done.code == 2
    assert "--duplicate-distance has no effect without --find-duplicates" in done.text
    argv = (*root, "--name", "x", "--classes", "a", "--no-duplicates", "--duplicate-distance", "30")
    done = run_tool("prepare_study.py", *argv, folder=challenge)
    assert done.code == 2
    assert "--duplicate-distance has no effect beside --no-duplicates" in done.text
    assert not (challenge / "lists").exists()


def test_metadata_alone(challenge: Path) -> None:
    add_test(challenge, truth=False, images=0)
    facts = prepare_splits(challenge)["challenge_test"]
    assert (facts["num_images"], facts["num_not_on_disk"]) == (18, 18)
    assert "class_counts" not in facts
    lines = (challenge / "splits" / LIST).read_text().splitlines()
    assert lines == [f"{name}.jpg" for name in TRUTH]


def test_ground_truth_has_nine_classes(challenge: Path) -> None:
    add_test(challenge, truth=True, images=10)
    summary = prepare_splits(challenge)
    facts = summary["challenge_test"]
    assert (facts["num_images"], facts["num_not_on_disk"]) == (10, 8)
    assert facts["class_counts"] == {**dict.fromkeys(facts["class_counts"], 1), "MEL": 2}
    assert "UNK" in facts["class_counts"]
    source = ImageList(
        str(challenge / "ISIC_2019_Test_Input"), ann_file=str(challenge / "splits" / LIST)
    )
    assert source.get_gt_labels().tolist() == [*range(9), 0]
    (challenge / "ISIC_2019_Test_GroundTruth.csv").unlink()
    (challenge / "ISIC_2019_Test_Metadata.csv").unlink()
    assert "challenge_test" not in prepare_splits(challenge)
    assert not (challenge / "splits" / LIST).exists()


def test_mistakes(challenge: Path) -> None:
    add_test(challenge, truth=True, images=0)
    (challenge / "other.csv").write_text(ground_truth_csv({"ISIC_1": 0}))
    with pytest.raises(UserError, match="differ in 19 images"):
        prepare_splits(challenge, Files(test_ground_truth=challenge / "other.csv"))
    with pytest.raises(UserError, match="can't read"):
        prepare_splits(challenge, Files(test_metadata=challenge / "none.csv"))


def test_bad_test_files_leave_the_old_splits(challenge: Path) -> None:
    prepare_splits(challenge)
    before = {path: path.read_bytes() for path in (challenge / "splits").iterdir()}
    add_test(challenge, truth=True, images=0)
    folder = challenge / "ISIC_2019_Test_Input"
    folder.mkdir()
    with pytest.raises(UserError, match=r"no images in .*_Test_Input.*folder with --test-images"):
        prepare_splits(challenge)
    (challenge / "ISIC_2019_Test_Input.zip").touch()
    with pytest.raises(UserError, match=r"no images in \S+_Test_Input; unpack .*_Test_Input.zip"):
        prepare_splits(challenge, num_folds=2)
    assert {path: path.read_bytes() for path in (challenge / "splits").iterdir()} == before


def test_a_fold_without_a_class_is_refused(challenge: Path) -> None:
    folder = challenge / "ISIC_2019_Training_Input"
    for i in range(5, 80, 8):  # DF: two images are left
        if i > 13:
            (folder / f"ISIC_{i:07d}.jpg").unlink()
    with pytest.raises(UserError, match=r"no DF among the test images .*2 images of DF in all"):
        prepare_splits(challenge)
    assert not (challenge / "splits").exists()
    done = run_tool(
        "isic2019/prepare_splits.py", "--root", ".", "--allow-missing-class", folder=challenge
    )
    assert done.code == 0, done.text
    assert "no DF among the test images" in done.text


def test_the_class_that_a_fold_lacks_is_counted() -> None:
    # NV is as frequent as VASC, but only VASC is missing among the test images of a fold.
    label = [c for c in range(8) for _ in range(4)]
    fold = [i % 2 for i in range(32)]
    fold[6 * 4 : 7 * 4] = [0] * 4
    with pytest.raises(UserError, match=r"no VASC among .*\(2 such lists; 4 images of VASC"):
        check_folds(pd.DataFrame({"label": label, "fold": fold}), 2)


def test_table_by_source(challenge: Path) -> None:
    lesions = {f"ISIC_{i:07d}": ["HAM_", "BCN_", "MSK4_", ""][i // 20] for i in range(80)}
    lesions = {name: lesion and f"{lesion}{name}" for name, lesion in lesions.items()}
    (challenge / "ISIC_2019_Training_Metadata.csv").write_text(metadata_csv(lesions))
    summary = prepare_splits(challenge)
    assert list(summary["source_counts"]) == ["BCN", "HAM", "MSK", "none"]
    assert sum(summary["source_counts"]["MSK"].values()) == 20
    for fold in summary["folds"]:
        by_source = fold["test"]["source_counts"].values()
        for name, count in fold["test"]["class_counts"].items():
            assert sum(row[name] for row in by_source) == count
    assert source_table(summary).row_count >= 20
