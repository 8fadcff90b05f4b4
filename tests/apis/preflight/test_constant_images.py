"""Images of one colour are reported: many of them mean that they were read wrongly."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmselfsup.apis.preflight.data_look import look_at_pixels, report_constant_images
from mmselfsup.datasets import build_dataset
from mmselfsup.datasets.statistics import pixel_statistics


@pytest.fixture
def images(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for i in range(4):
        pixels = rng.integers(0, 256, (5, 6, 3)).astype(np.uint8)
        Image.fromarray(pixels if i else np.full_like(pixels, 7)).save(tmp_path / f"{i}.png")
    Image.new("RGB", (1, 1)).save(tmp_path / "one_pixel.png")
    return tmp_path


@pytest.mark.parametrize("repeated", [False, True])
def test_a_training_says_so(images: Path, caplog: Any, repeated: bool) -> None:
    source = dict(type="ImageList", data_prefix=str(images))
    cfg: Any = dict(type="SingleViewDataset", data_source=source, pipeline=[])
    dataset = build_dataset(dict(type="RepeatDataset", times=2, dataset=cfg) if repeated else cfg)
    logger = logging.getLogger("test_constant")
    with caplog.at_level(logging.WARNING, logger="test_constant"):
        look = look_at_pixels(dataset)
        assert look is not None
        report_constant_images(look, "data.train", logger)
    assert f"data.train: 1 of 5 images looked at are of one colour, such as {images}/0.png" in (
        caplog.text
    )


def test_data_without_a_source_are_left_alone(caplog: Any) -> None:
    assert look_at_pixels([1, 2]) is None
    assert not caplog.text


def test_the_statistics_name_them(images: Path) -> None:
    files = sorted(images.glob("*.png"))
    assert pixel_statistics(files, workers=0).constant == (images / "0.png",)
