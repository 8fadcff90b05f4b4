"""Folders of classes as clinics have them, and data sources of their own with a cache."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmselfsup.datasets import build_datasource
from mmselfsup.datasets.data_sources import BaseDataSource, ImageList, ImageNet
from mmselfsup.datasets.registry import DATASOURCES
from mmselfsup.utils.errors import ArgumentError, UserError
from mmselfsup.utils.files import check_ending, expanded


def folders(root: Path, *names: str) -> str:
    for name in names:
        (root / name).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(root / name / "a.png")
    return str(root)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(logging.getLogger("mmselfsup"), "propagate", True)
    caplog.set_level(logging.WARNING, "mmselfsup")
    return caplog


def test_what_macos_adds_is_no_class(tmp_path: Path) -> None:
    root = folders(tmp_path, "nevus", "Mole", "__MACOSX")
    assert ImageNet(root).CLASSES == ["Mole", "nevus"]


def test_a_class_without_an_image_is_told_with_what_it_holds(tmp_path: Path, log: Any) -> None:
    root = folders(tmp_path, "mole", "nevus")
    (tmp_path / "nevus" / "a.png").rename(tmp_path / "nevus" / "a.heic")
    assert ImageNet(root).get_gt_labels().tolist() == [0]
    assert "the folder of the class nevus has no image; it holds 1 files, such as a.heic" in (
        log.text
    )
    log.clear()
    ImageNet(folders(tmp_path / "whole", "mole", "nevus"))
    assert log.text == ""


def test_folders_of_nearly_one_name_are_told(tmp_path: Path, log: Any) -> None:
    ImageNet(folders(tmp_path, "Nevus", "mole", "nevus "))
    assert "the folders Nevus and nevus  are two classes" in log.text


def test_parts_of_a_data_set_are_no_classes(tmp_path: Path) -> None:
    root = folders(tmp_path, "train", "Val")
    with pytest.raises(UserError, match=r"Val, train are parts of a data set, no classes"):
        ImageNet(root)
    assert len(ImageNet(root, classes=["Val", "train"])) == 2


class Drawn(BaseDataSource):
    """Images that no file holds."""

    CLASSES = ["dark", "bright"]
    image: Any = None

    def load_annotations(self) -> list[dict[str, Any]]:
        return [dict(gt_label=i % 2) for i in range(4)]

    def get_img(self, idx: int) -> Any:
        return self.image


BYTES = np.full((8, 8, 3), 9, np.uint8)


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize(
    ("image", "message"),
    [
        (BYTES, ""),
        (BYTES[..., 0], ""),
        (None, r"Drawn\.get_img gives NoneType for image 0 of Drawn: return a PIL image"),
        (BYTES / 255, r"comes as float64 \[8, 8, 3\]; it holds uint8"),
        (BYTES.astype(np.uint16), r"comes as uint16 \[8, 8, 3\]; it holds uint8"),
    ],
)
def test_what_an_own_source_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: Any, message: str, cached: bool
) -> None:
    monkeypatch.setitem(DATASOURCES.module_dict, "Drawn", Drawn)
    monkeypatch.setattr(Drawn, "image", image)
    cache = dict(cache=dict(dir=str(tmp_path))) if cached else {}
    config = dict(type="Drawn", data_prefix=None, **cache)
    if message and (cached or image is None):
        with pytest.raises(Exception, match=message):
            build_datasource(config).get_pixels(0)
    elif not message:
        np.testing.assert_array_equal(build_datasource(config).get_pixels(0), image)


class Lacking(ImageList):
    """A data source whose file 1 gives no image, in a method that a subclass may override."""

    def decode(self, idx: int) -> Any:
        return None if idx == 1 else super().decode(idx)


@pytest.mark.parametrize("method", ["get_img", "get_pixels"])
def test_an_own_decode_that_gives_nothing(tmp_path: Path, method: str) -> None:
    for name in "ab":
        Image.fromarray(BYTES).save(tmp_path / f"{name}.png")
    source = Lacking(data_prefix=str(tmp_path))
    assert getattr(source, method)(0) is not None
    message = r"Lacking\.decode gives NoneType for image 1 \(.*b\.png\)"
    with pytest.raises(ArgumentError, match=message):
        getattr(source, method)(1)


def test_the_home_of_nobody() -> None:
    with pytest.raises(UserError, match="~nobody-of-here/x: this machine knows no user"):
        expanded("~nobody-of-here/x")
    assert expanded("~") == Path.home()


def test_the_ending_of_a_file_to_be_written() -> None:
    check_ending("--out", "a.CSV", ".csv")
    with pytest.raises(UserError, match=r"--out a\.txt: name a file that ends with \.csv"):
        check_ending("--out", "a.txt", ".csv")
