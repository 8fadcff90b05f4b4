"""Planted issues are what planted.csv says, and simple features find them in the demo images."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmselfsup.apis.features.find_issues import measure
from mmselfsup.datasets.data_sources.lists import read_list
from mmselfsup.datasets.data_sources.metadata import read_lesions
from mmselfsup.evaluation.issue_rankings import Audited, rank_issues
from mmselfsup.isic.challenge import GROUND_TRUTH, IMAGES, METADATA
from mmselfsup.isic.demo.dataset import DemoSettings, make_demo_data
from mmselfsup.isic.demo.planting import Plan, Planted, plant, read_planted
from mmselfsup.utils.errors import UserError

PLAN = Plan(copies=0.05, others=0.05, wrong=0.1, seed=3)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    make_demo_data(folder, DemoSettings(num_images=160, size=32), workers=1)
    return folder


def planting(demo: Path, out: Path, plan: Plan = PLAN) -> list[Planted]:
    return plant(demo / IMAGES, demo / GROUND_TRUTH, demo / METADATA, out, plan)


def test_files_say_what_was_planted(demo: Path, tmp_path: Path) -> None:
    planted = planting(demo, tmp_path / "a")
    assert read_planted(tmp_path / "a" / "planted.csv") == planted
    by_kind = {kind: [p for p in planted if p.kind == kind] for kind in {p.kind for p in planted}}
    assert {kind: len(items) for kind, items in by_kind.items()} == {
        "duplicate": 8, "off_topic": 8, "label_error": 16
    }  # fmt: skip
    listed = {entry.name: entry.label for entry in read_list(str(tmp_path / "a" / "list.txt"))}
    assert len(listed) == 176
    assert all((tmp_path / "a" / "images" / name).is_file() for name in listed)
    for item in planted:
        assert listed[item.image] == item.label
        assert (item.label != item.true_label) == (item.kind != "duplicate")
    lesions = read_lesions(str(tmp_path / "a" / "metadata.csv"), list(listed))
    assert sum(bool(lesion) for lesion in lesions) > 100
    assert not any(lesion for lesion, name in zip(lesions, listed, strict=True) if "plant" in name)
    planting(demo, tmp_path / "b")
    for path in sorted((tmp_path / "a").rglob("*.*")):
        assert (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes() == path.read_bytes()


def test_small_pictures_as_features_find_them(demo: Path, tmp_path: Path) -> None:
    planted = planting(demo, tmp_path / "a")
    folder = tmp_path / "a" / "images"
    entries = read_list(str(tmp_path / "a" / "list.txt"))
    names = [entry.name for entry in entries]
    # Colour of 6 x 6 places, the mirror image added: mirrored copies have equal features.
    small = [Image.open(folder / name).convert("RGB").resize((6, 6)) for name in names]
    pixels = np.stack([np.asarray(picture, dtype=np.float32) for picture in small])
    features = (pixels + pixels[:, :, ::-1]).reshape(len(names), -1)
    lesions = read_lesions(str(tmp_path / "a" / "metadata.csv"), names)
    audited = Audited(features, names, np.array([e.label for e in entries]), lesions, folder=folder)
    rankings, _ = rank_issues(audited, 10)
    found = {row.ranking: row for row in measure(rankings, audited, planted) if row.part == 0.05}
    # By chance the average precision of the single images is about 0.05.
    assert found["duplicates"].average_precision >= 0.5
    assert found["off topic"].average_precision >= 0.2


def test_features_of_the_class_find_wrong_labels(demo: Path, tmp_path: Path) -> None:
    planted = planting(demo, tmp_path / "a")
    entries = read_list(str(tmp_path / "a" / "list.txt"))
    true = {p.image: p.true_label for p in planted}
    labels = np.array([entry.label for entry in entries])
    shown = np.array([true.get(e.name, label) for e, label in zip(entries, labels, strict=True)])
    noise = np.random.default_rng(0).normal(size=(len(labels), 9))
    features = (np.eye(9)[shown] + 0.1 * noise).astype(np.float32)
    audited = Audited(features, [entry.name for entry in entries], labels)
    rankings, _ = rank_issues(audited, 10)
    found = {row.ranking: row for row in measure(rankings, audited, planted) if row.part == 0.05}
    # Off-topic images have drawn labels, and are found as well; by chance it is about 0.1.
    assert found["label errors"].average_precision >= 0.6


def test_what_can_not_be_planted_is_one_line(demo: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--wrong 0\.7"):
        Plan(wrong=0.7)
    (tmp_path / "list.txt").write_text("ISIC_0000000.jpg\n")
    with pytest.raises(UserError, match="one label for each image"):
        plant(demo / IMAGES, tmp_path / "list.txt", None, tmp_path / "out", PLAN)
    assert not (tmp_path / "out").exists()
    with pytest.raises(UserError, match="can't read the planted issues"):
        read_planted(tmp_path / "list.txt")
