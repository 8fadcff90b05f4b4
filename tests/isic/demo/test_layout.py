"""The files look like those of the challenge."""

import re
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from mmselfsup.isic.challenge import CLASSES
from mmselfsup.isic.demo.dataset import CHALLENGE_COUNTS, Photo, class_counts, make_plan

Demo = tuple[Path, list[Photo]]


def tables(root: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    truth = pd.read_csv(root / "ISIC_2019_Training_GroundTruth.csv")
    return truth, pd.read_csv(root / "ISIC_2019_Training_Metadata.csv")


def test_ground_truth_has_the_official_columns_and_is_one_hot(demo: Demo) -> None:
    truth, _ = tables(demo[0])
    assert list(truth.columns) == ["image", *CLASSES, "UNK"]
    scores = truth.iloc[:, 1:].to_numpy()
    assert scores.dtype == np.float64
    assert set(np.unique(scores)) == {0.0, 1.0}
    assert (scores.sum(1) == 1).all()
    assert truth["UNK"].sum() == 0
    second = (demo[0] / "ISIC_2019_Training_GroundTruth.csv").read_text().splitlines()[1]
    assert re.fullmatch(r"ISIC_\d{7}(,[01]\.0){9}", second)


def test_metadata_has_the_official_columns_and_gaps(demo: Demo) -> None:
    truth, metadata = tables(demo[0])
    columns = ["image", "age_approx", "anatom_site_general", "lesion_id", "sex"]
    assert list(metadata.columns) == columns
    assert list(metadata["image"]) == list(truth["image"])
    assert metadata["lesion_id"].isna().any()
    assert metadata["lesion_id"].dropna().str.fullmatch(r"(HAM|BCN|MSK4)_\d{7}").all()
    assert set(metadata["sex"].dropna()) == {"male", "female"}
    assert (metadata["age_approx"].dropna() % 5 == 0).all()


def test_images_of_a_lesion_share_class_and_patient(demo: Demo) -> None:
    truth, metadata = tables(demo[0])
    metadata["label"] = truth[list(CLASSES)].idxmax(axis=1)
    lesions = metadata.dropna(subset="lesion_id").groupby("lesion_id")
    assert (lesions.size() > 1).sum() >= 20
    for column in ("label", "age_approx", "sex", "anatom_site_general"):
        assert (lesions[column].nunique(dropna=False) == 1).all()


def test_every_image_is_there_and_decodes(demo: Demo) -> None:
    root, photos = demo
    files = sorted((root / "ISIC_2019_Training_Input").iterdir())
    assert [file.name for file in files] == sorted(f"{photo.image}.jpg" for photo in photos)
    for file in files[:40]:
        assert file.read_bytes()[:2] == b"\xff\xd8"
        assert np.asarray(cv2.imread(str(file))).shape == (48, 64, 3)


@pytest.mark.parametrize("num_images", [16, 160, 2400, 25331])
def test_counts_follow_the_challenge(num_images: int) -> None:
    counts = class_counts(num_images)
    assert list(counts) == list(CLASSES)
    assert sum(counts.values()) == num_images
    assert min(counts.values()) >= min(40, num_images // 16)
    if num_images == 25331:
        assert counts == CHALLENGE_COUNTS


def test_the_default_has_enough_of_each_class_for_every_fold() -> None:
    photos = make_plan(2400, 0)
    for label in CLASSES:
        mine = [photo for photo in photos if photo.label == label]
        assert len(mine) >= 20
        assert len({photo.lesion for photo in mine}) >= 8


def test_too_few_images_are_refused() -> None:
    with pytest.raises(ValueError, match="num_images is 15; at least 16"):
        make_plan(15, 0)
