"""MedMNIST's files: parts, labels, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmcv import Config

from mmselfsup.config.own_data import resolve
from mmselfsup.datasets.data_sources import MedMNIST
from mmselfsup.utils.errors import ArgumentError, UserError


def write(path: Path, width: int = 1, channels: tuple[int, ...] = (3,), **change: Any) -> str:
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for part, number in (("train", 8), ("val", 3), ("test", 4)):
        arrays[f"{part}_images"] = rng.integers(0, 256, (number, 6, 6, *channels), dtype=np.uint8)
        arrays[f"{part}_labels"] = rng.integers(0, 2, (number, width)).astype(np.uint8)
    arrays["train_labels"][:2] = [[0] * width, [1] * width]
    arrays |= change
    np.savez(path, **arrays)
    return str(path)


def test_parts(tmp_path: Path) -> None:
    path = write(tmp_path / "x.npz")
    with np.load(path) as file:
        source = MedMNIST(path, subset="val", classes=["no", "yes"])
        assert (source.get_pixels(1) == file["val_images"][1]).all()
        assert source.get_gt_labels().tolist() == file["val_labels"][:, 0].tolist()
    assert len(MedMNIST(path)) == 15
    names = MedMNIST(str(tmp_path), ann_file="x.npz").image_names()
    assert len(set(names)) == 15
    assert names[8] == "x_val_000000"


def test_grey_images_and_several_labels(tmp_path: Path) -> None:
    source = MedMNIST(write(tmp_path / "x.npz", width=3, channels=()), subset="train")
    assert source.get_gt_labels().shape == (8, 3)
    pixels = source.get_pixels(0)
    assert pixels.shape == (6, 6, 3)
    assert (pixels == pixels[..., :1]).all()


def test_cache_of_two_files_of_the_same_name(tmp_path: Path) -> None:
    cache = dict(dir=str(tmp_path / "cache"))
    for shade in (10, 20):  # such as two versions of a data set, or two sizes
        (tmp_path / str(shade)).mkdir()
        images = np.full((3, 6, 6, 3), shade, np.uint8)
        path = write(tmp_path / str(shade) / "x.npz", val_images=images)
        assert (MedMNIST(path, subset="val", cache=cache).get_pixels(0) == shade).all()
        again = MedMNIST(str(tmp_path / str(shade)), ann_file="x.npz", subset="val", cache=cache)
        assert (again.get_pixels(2) == shade).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_images": np.zeros((8, 6, 6, 6), np.uint8)}, "volumes are not read"),
        ({"train_labels": np.zeros((7, 1))}, r"\[7, 1\] for 8 images"),
    ],
)
def test_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        MedMNIST(write(tmp_path / "x.npz", **change), subset="train")


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"x\.npz: can't read this file"):
        MedMNIST(str(tmp_path / "x.npz"))
    (tmp_path / "x.npz").write_bytes(b"PK\3\4 no archive")
    with pytest.raises(UserError, match=r"x\.npz is no MedMNIST file"):
        MedMNIST(str(tmp_path / "x.npz"))
    np.savez(tmp_path / "x.npz", a=np.zeros(2))
    with pytest.raises(UserError, match="no MedMNIST file with the arrays train_images"):
        MedMNIST(str(tmp_path / "x.npz"))
    with pytest.raises(ArgumentError, match="subset must be one of train, val, test"):
        MedMNIST(str(tmp_path / "x.npz"), subset="training")


def test_in_own_data(tmp_path: Path) -> None:
    steps = [dict(type="Resize", size=6), dict(type="Normalize", mean="auto", std="auto")]
    part = dict(type="SingleViewDataset", data_source=dict(type="ImageList"), pipeline=steps)
    cfg = Config(
        dict(
            own_data=dict(data_prefix=write(tmp_path / "x.npz"), folds=5),
            model=dict(type="Classification", head=dict(num_classes="auto")),
            data=dict(train=part, val=part),
        )
    )
    resolve(cfg)
    assert cfg.model.head.num_classes == 2
    assert cfg.data.val.data_source == dict(
        type="MedMNIST", subset="val", data_prefix=str(tmp_path / "x.npz")
    )
