"""The command lines that make shards and index those of others."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmselfsup.datasets.data_sources import Shards
from mmselfsup.utils.errors import UserError
from tools.data_converters import index_shards, make_shards


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two images of class ``a`` and one of class ``b``."""
    for name in ("a/0.png", "a/1.png", "b/2.png"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 5, 3), 60, np.uint8)).save(path)
    return tmp_path / "images"


def call(tool: object, monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", ["tool", *map(str, words)])
    tool.main()  # type: ignore[attr-defined]


def test_folders_lists_and_plain_folders(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    call(make_shards, monkeypatch, images, tmp_path / "x", "--images-per-shard", 2)
    assert "3 images in 2 shards" in capsys.readouterr().out
    found = Shards(url=str(tmp_path / "x"))
    assert (found.CLASSES, found.get_gt_labels().tolist()) == (["a", "b"], [0, 0, 1])

    call(make_shards, monkeypatch, images / "a", tmp_path / "y")
    assert Shards(url=str(tmp_path / "y")).get_gt_labels().tolist() == [-1, -1]

    table = tmp_path / "list.csv"
    table.write_text("image,label\nb/2.png,0\na/0.png,1\n")
    call(make_shards, monkeypatch, images, tmp_path / "z", "--ann-file", table)
    assert Shards(url=str(tmp_path / "z")).image_names() == ["b/2.png", "a/0.png"]


def test_the_index_of_shards_without_one(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "x"
    call(make_shards, monkeypatch, images, out, "--images-per-shard", 2)
    before = Shards(url=str(out))
    (out / "index.safetensors").unlink()
    call(index_shards, monkeypatch, out)
    assert f"3 images in 2 shards: {out}" in capsys.readouterr().out
    after = Shards(url=str(out))
    assert after.image_names() == before.image_names()
    assert after.get_gt_labels().tolist() == [0, 0, 1]
    assert [after.index.place(i) for i in range(3)] == [before.index.place(i) for i in range(3)]
    with pytest.raises(UserError, match=r"no tar files \(\*\.tar\) there"):
        call(index_shards, monkeypatch, images)
