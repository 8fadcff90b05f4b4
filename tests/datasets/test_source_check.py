"""Listed files that are not there, files without a row, images of two lists."""

import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmselfsup.datasets import build_datasource
from mmselfsup.datasets.data_sources.packed import PackedStrings
from mmselfsup.datasets.source_check import (
    check_files,
    listed_files,
    report_shared,
    unlisted_images,
)
from mmselfsup.utils.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "b_downsampled.png", "sub/c.png", "d.jpg", "left.png"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(path)
    return tmp_path


def source(folder: Path, names: str, **options: Any) -> Any:
    path = folder / f"{len(list(folder.iterdir()))}.txt"
    path.write_text("".join(f"{name} 0\n" for name in names.split()))
    prefix = str(folder / "images")
    return build_datasource(
        dict(type="ImageList", data_prefix=prefix, ann_file=str(path), **options)
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("b.png", r"b\.png is there under a longer name: .*b_downsampled\.png"),
        ("a_downsampled.png", r"under a shorter name: .*a\.png"),
        ("c.png", r"in another folder or in other letters: .*sub/c\.png"),
        ("A.png", r"in another folder or in other letters: .*a\.png"),
        ("d.png", r"with another extension: .*d\.jpg"),
        ("gone.png", r"\(line 2\); correct the list or data_prefix, or .*--no-check-files"),
    ],
)
def test_missing_files_are_named_with_what_is_there(folder: Path, name: str, hint: str) -> None:
    with pytest.raises(UserError, match=rf"data\.val: 1 of 2 images of .*{hint}"):
        check_files(source(folder, f"a.png {name}"), "data.val")


def test_all_are_counted_and_skipped_ones_are_a_warning(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = "a.png sub/c.png " + " ".join(f"x{i}.png" for i in range(9))
    with pytest.raises(UserError, match=r"9 of 11 .*x0\.png \(line 3\).*x2\.png \(line 5\) \.\.\."):
        check_files(source(folder, names), "data.train")
    check_files(source(folder, names, on_error="skip"), "data.train")
    assert "9 of 11 images" in caplog.text
    check_files(source(folder, "a.png d.jpg"), "data.train")


def test_sources_without_files_are_left_alone(folder: Path) -> None:
    whole = build_datasource(dict(type="ImageList", data_prefix=str(folder / "images")))
    check_files(whole, "data.train")
    cached = source(folder, "a.png", cache=dict(dir=str(folder / "cache")))
    shutil.rmtree(folder / "images")
    assert listed_files(cached) is None
    check_files(cached, "data.train")
    check_files(object(), "data.train")


def test_unlisted_images_of_all_lists(folder: Path) -> None:
    sources = [source(folder, "a.png d.jpg"), source(folder, "sub/c.png b_downsampled.png")]
    assert unlisted_images(sources) == (1, 5, str(folder / "images" / "left.png"), "")
    assert unlisted_images(sources[:1]).images == 3
    assert unlisted_images([object()]) == (0, 0, "", "")


def test_the_other_part_of_a_list_is_listed(folder: Path) -> None:
    names = "a.png d.jpg sub/c.png b_downsampled.png"
    train, val = (source(folder, names, split=dict(part=p, folds=2)) for p in ("train", "val"))
    val.ann_file = train.ann_file
    assert unlisted_images([val]) == (0, 0, "", "")
    assert unlisted_images([train, val]).images == 1


@pytest.mark.parametrize(
    ("names", "example", "hint"),
    [
        ("a.png left.png", "a_downsampled.png", "under a shorter name"),
        ("b_downsampled.png left.png", "b.png", "under a longer name"),
        ("a.png left.png", "a.jpeg", "with another extension"),
        ("left.png", "sub/left.png", "in another folder or in other letters"),
    ],
)
def test_an_unlisted_image_that_resembles_a_listed_one(
    folder: Path, names: str, example: str, hint: str
) -> None:
    (folder / "images" / example).write_bytes(b"")
    found = unlisted_images([source(folder, names)])
    assert (found.example, found.hint) == (str(folder / "images" / example), f"is listed {hint}")


def test_unlisted_images_are_compared_together(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look-up costs as much for one name as for a thousand."""
    for number in range(50):
        (folder / "images" / f"more_{number}.png").write_bytes(b"")
    calls: list[int] = []
    hashes = PackedStrings.hashes
    monkeypatch.setattr(
        PackedStrings, "hashes", lambda strings: (calls.append(len(strings)), hashes(strings))[1]
    )
    assert unlisted_images([source(folder, "a.png")]).images == 54
    assert len(calls) < 20


def test_several_folders_are_searched_and_not_what_lies_beside_them(
    folder: Path, tmp_path: Path
) -> None:
    for place in ("one/x.png", "two/y.png", "two/z.png", "other/gone.png", "other/more.png"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_bytes(b"")
    list_file = tmp_path / "both.csv"
    list_file.write_text("image,label\nx,0\ny,1\n")
    both = build_datasource(
        dict(
            type="ImageList",
            data_prefix=[str(tmp_path / "one"), str(tmp_path / "two")],
            ann_file=str(list_file),
        )
    )
    found = unlisted_images([both])
    assert (found.images, found.of, found.example) == (1, 3, str(tmp_path / "two" / "z.png"))
    (tmp_path / "one" / "x.png").rename(tmp_path / "other" / "x.png")
    with pytest.raises(UserError) as error:
        check_files(both, "data.train")
    assert "1 of 2 images" in str(error.value)
    assert "other" not in str(error.value)


@pytest.mark.parametrize("name", ["./a.png", "sub/../a.png", "sub//../a.png", "link.png"])
@pytest.mark.parametrize("cached", [False, True])
def test_one_image_under_two_names(
    name: str, cached: bool, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "images" / "link.png").symlink_to("a.png")
    cache = dict(cache=dict(dir=str(folder / "cache"), short_side=2)) if cached else {}
    first, second = source(folder, "a.png d.jpg", **cache), source(folder, name, **cache)
    with caplog.at_level(logging.WARNING):
        report_shared(first, second, ("data.train", "data.val"))
    assert "data.train and data.val have 1 image in common" in caplog.text


def test_shared_images_and_lesions(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, second = source(folder, "a.png d.jpg"), source(folder, "sub/c.png a.png")
    other = source(folder, "sub/c.png")
    report_shared(first, second, ("data.train", "data.val"))
    assert "data.train and data.val have 1 image in common" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        report_shared(first, other, ("data.train", "data.val"))
        assert not caplog.text
        first.lesions, other.lesions = ["L1", ""], ["L1"]
        report_shared(first, other, ("data.train", "data.val"))
    assert "1 common group (lesion or patient), such as L1" in caplog.text
