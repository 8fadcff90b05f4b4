"""ImageNet and ImageNet-21k: lists and folders of classes."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from mmselfsup.datasets.data_sources import CIFAR10, CIFAR100, ImageList, ImageNet, ImageNet21k
from mmselfsup.datasets.data_sources.imagenet import (
    find_folders,
    get_samples,
    has_file_allowed_extension,
)
from mmselfsup.utils.errors import UserError


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for name in ("n02/b.JPEG", "n01/a.JPEG", "n01/deep/c.JPEG", "n02/readme.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("JPEG"):
            Image.new("RGB", (4, 4)).save(path)
        else:
            path.touch()
    return tmp_path


def names_and_labels(source: ImageNet) -> list[tuple[str, int]]:
    return [(info["img_info"]["filename"], info["gt_label"]) for info in source.data_infos]


def test_folders(folders: Path) -> None:
    source = ImageNet(str(folders))
    assert names_and_labels(source) == [
        ("n01/a.JPEG", 0),
        ("n01/deep/c.JPEG", 0),  # at any depth, as in 0.x
        ("n02/b.JPEG", 1),
    ]
    assert source.CLASSES == ["n01", "n02"]
    assert source.get_img(0).size == (4, 4)


def test_order_and_names_of_classes(folders: Path) -> None:
    assert names_and_labels(ImageNet(str(folders), classes=["n02", "n00", "n01"])) == [
        ("n01/a.JPEG", 2),
        ("n01/deep/c.JPEG", 2),
        ("n02/b.JPEG", 0),
    ]
    source = ImageNet(str(folders), classes=["cat", "dog"])
    assert list(source.get_gt_labels()) == [0, 0, 1]
    assert source.CLASSES == ["cat", "dog"]
    with pytest.raises(UserError, match="2 folders, but 3 classes are given; n01, n02"):
        ImageNet(str(folders), classes=["cat", "dog", "cow"])


def test_list(folders: Path, tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("n02/b.JPEG 1\nn01/a.JPEG 0\n")
    source = ImageNet(str(folders), ann_file=str(path))
    assert names_and_labels(source) == [("n02/b.JPEG", 1), ("n01/a.JPEG", 0)]
    with pytest.raises(UserError, match="line 1: label 1"):
        ImageNet(str(folders), ann_file=str(path), classes=["cat"])


def test_no_images(tmp_path: Path) -> None:
    (tmp_path / "n01").mkdir()
    with pytest.raises(UserError, match="no images in folders of classes"):
        ImageNet(str(tmp_path))
    with pytest.raises(RuntimeError):  # which 0.x raised
        ImageNet(str(tmp_path))
    with pytest.raises(RuntimeError, match="no images in this folder"):
        ImageList(str(tmp_path))


@pytest.mark.parametrize("source", [ImageNet, ImageNet21k, ImageList])
def test_neither_folder_nor_list(source: type) -> None:
    with pytest.raises(UserError, match="give data_prefix, the folder, or ann_file, a list"):
        source(data_prefix="")


@pytest.mark.parametrize("source", [ImageNet, ImageNet21k, ImageList])
def test_list_of_whole_paths_needs_no_folder(source: type, folders: Path, tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text(f"{folders}/n02/b.JPEG 1\n")
    assert source(data_prefix="", ann_file=str(path)).get_img(0).size == (4, 4)


@pytest.mark.parametrize("source", [ImageNet, ImageNet21k, ImageList, CIFAR10, CIFAR100])
def test_classes_as_they_are_given(source: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "load_annotations", lambda self: [])
    assert source(data_prefix="", classes=("bus", "car"), test_mode=True).CLASSES == ("bus", "car")
    assert source(data_prefix="", classes=["bus", "car"], test_mode=True).CLASSES == ["bus", "car"]


def test_imagenet_21k(folders: Path) -> None:
    assert len(ImageNet21k(str(folders))) == 2
    source = ImageNet21k(str(folders), recursion_subdir=True)
    assert names_and_labels(source) == [
        ("n01/a.JPEG", 0),
        ("n01/deep/c.JPEG", 0),
        ("n02/b.JPEG", 1),
    ]
    with pytest.raises(NotImplementedError, match="multi_label"):
        ImageNet21k(str(folders), multi_label=True)


def test_public_functions(folders: Path) -> None:
    assert find_folders(str(folders)) == dict(n01=0, n02=1)
    assert has_file_allowed_extension("A.JPEG", (".jpg", ".jpeg"))
    assert not has_file_allowed_extension("a.txt", (".jpg", ".jpeg"))
    assert get_samples(str(folders), dict(n02=5), (".txt",)) == [("n02/readme.txt", 5)]
    assert get_samples(str(folders), dict(n01=0), (".jpeg",), recursive=False) == [
        ("n01/a.JPEG", 0)
    ]


@pytest.mark.parametrize("recursive", [True, False])
def test_images_of_other_kinds_are_counted(recursive: bool, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("1.png", "2.heic", "3.HEIC", ".4.heic", "notes.md"):
        (tmp_path / "a" / name).write_text("")
    others: Counter[str] = Counter()
    found = get_samples(str(tmp_path), dict(a=0), (".png",), recursive, others)
    assert found == [("a/1.png", 0)]
    assert others == {".heic": 2}


def test_images_beside_the_folders_of_classes_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger("mmselfsup"), "propagate", True)
    for name in ("a/1.png", "b/2.png", "3.png", "4.JPG", ".5.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert len(ImageNet(str(tmp_path))) == 2
    assert "left out 2 images beside the folders of classes, such as 3.png" in caplog.text
    caplog.clear()
    for name in ("3.png", "4.JPG"):
        (tmp_path / name).unlink()
    ImageNet(str(tmp_path))
    assert "left out" not in caplog.text
