"""Files of kinds that a folder is not searched for are named with their number, never dropped."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmselfsup.apis.inference.image_input import given_images
from mmselfsup.datasets import build_datasource
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.image_names import OTHER_IMAGES, has_image_extension, other_image

OTHERS = ("a.jp2", "b.HEIC", "c.heic", "d.avif", "sub/e.svs", "f.nii.gz", "notes.txt")


READERS = (
    lambda folder: build_datasource(dict(type="ImageList", data_prefix=str(folder))),
    lambda folder: build_datasource(dict(type="ImageNet", data_prefix=str(folder))),
    lambda folder: given_images(str(folder)),
    lambda folder: given_images(f"{folder}/**/*"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images that are read, in folders of classes, and others beside them."""
    place = tmp_path / "photos" / "one"
    for name in (*OTHERS, "x.png", "y.gif"):
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if has_image_extension(name):
            Image.fromarray(np.zeros((4, 4), np.uint8)).save(path)
        else:
            path.write_bytes(b"")
    return tmp_path / "photos"


@pytest.mark.parametrize("read", READERS)
def test_what_is_left_out_is_said_once(
    read: Any, folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("mmselfsup"), "propagate", True)
    with caplog.at_level(logging.WARNING, "mmselfsup"):
        assert len(read(folder)) == 2
        read(folder)
    assert caplog.text.count("left out") == 1
    assert "1 .avif file (convert them to PNG or JPEG), 2 .heic files (convert" in caplog.text
    assert "1 .jp2 file (name them in a list (ann_file), or convert them)" in caplog.text
    assert "1 .nii.gz file" in caplog.text
    assert "1 .svs file (cut these into tiles)" in caplog.text
    assert "txt" not in caplog.text


@pytest.mark.parametrize("read", READERS)
def test_a_folder_of_nothing_else(read: Any, folder: Path) -> None:
    for name in ("x.png", "y.gif"):
        (folder / "one" / name).unlink()
    with pytest.raises(UserError, match=r"no .*2 \.heic files \(convert them to PNG or JPEG\)"):
        read(folder)


def test_a_list_names_files_that_a_folder_is_not_searched_for(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8, 3), 99, np.uint8)).save(tmp_path / "a.jp2")
    (tmp_path / "list.txt").write_text("a.jp2 0\n")
    source = build_datasource(
        dict(type="ImageList", data_prefix=str(tmp_path), ann_file=str(tmp_path / "list.txt"))
    )
    assert abs(int(np.asarray(source.get_img(0)).mean()) - 99) < 3


def test_no_ending_is_of_both_kinds() -> None:
    assert not [ending for ending in OTHER_IMAGES if has_image_extension(f"a{ending}")]
    assert other_image("a.gz") == other_image("jp2") == ""
