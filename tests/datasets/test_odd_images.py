"""Data sources read whatever an image file holds, from the file and from a cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmselfsup.datasets.data_sources import ImageList
from mmselfsup.utils.errors import UserError
from tests.odd_images import broken_files, good_files, write_files

EXACT = (b"\x89PNG", b"BM", b"GIF")  # beginnings of files that keep colours as they are
TOLERANCE = 4  # of the others, on average


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("odd")
    write_files(path, good_files())
    return path


def source(folder: Path, **options: Any) -> ImageList:
    return ImageList(str(folder), **options)


@pytest.mark.parametrize("cached", [False, True])
def test_every_file_becomes_an_upright_rgb_picture(
    folder: Path, tmp_path: Path, cached: bool
) -> None:
    options = dict(cache=dict(dir=str(tmp_path), short_side=None)) if cached else {}
    images = source(folder, **options)
    assert sorted(images.image_names() or []) == sorted(good_files())
    for idx, name in enumerate(images.image_names() or []):
        data, shown = good_files()[name]
        pixels, wanted = images.get_pixels(idx), np.asarray(shown)
        assert isinstance(pixels, np.ndarray), name
        assert (pixels.shape, pixels.dtype) == (wanted.shape, np.uint8), name
        off = np.abs(pixels.astype(int) - wanted).mean()
        assert off <= (0 if data.startswith(EXACT) else TOLERANCE), name
        assert images.get_img(idx).mode == "RGB"


@pytest.mark.parametrize("color_type", ["grayscale", "color_ignore_orientation"])
def test_other_color_types(folder: Path, color_type: str) -> None:
    images = source(folder, color_type=color_type)
    for idx in range(len(images)):
        pixels = images.get_pixels(idx)
        assert pixels.shape[2:] == (() if color_type == "grayscale" else (3,))


def test_a_cache_shrinks_what_is_large(folder: Path, tmp_path: Path) -> None:
    images = source(folder, cache=dict(dir=str(tmp_path), short_side=32))
    sides = {n: images.get_pixels(i).shape[:2] for i, n in enumerate(images.image_names() or [])}
    assert sides["camera.jpg"] == (32, 47)
    assert sides["exif6.jpg"] == (42, 32)
    assert (sides["narrow.png"], sides["one_pixel.png"]) == ((400, 3), (1, 1))


@pytest.mark.parametrize("name", sorted(broken_files()))
def test_a_broken_file_is_named(tmp_path: Path, name: str) -> None:
    write_files(tmp_path / "images", {name: broken_files()[name]})
    path = str(tmp_path / "images" / name)
    for color_type in ("color", "grayscale"):
        with pytest.raises(UserError) as caught:
            source(tmp_path / "images", color_type=color_type).get_pixels(0)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=f"^{path}: "):
        source(tmp_path / "images", cache=dict(dir=str(tmp_path / "cache")))
