"""Small generated images for the tests of the data side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def picture(seed: int = 0, height: int = 40, width: int = 48) -> Image.Image:
    """A smooth picture that differs with the seed."""
    y, x = np.mgrid[0:height, 0:width]
    phase = 0.7 * seed
    red = 127 + 90 * np.sin(x / 9 + phase)
    green = 127 + 90 * np.cos(y / 7 - phase)
    blue = 127 + 60 * np.sin((x + y) / 11 + phase)
    return Image.fromarray(np.stack([red, green, blue], axis=-1).astype(np.uint8))


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    """Twelve JPEG files, ``0.jpg`` to ``11.jpg``."""
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(12):
        picture(i).save(folder / f"{i}.jpg", quality=95)
    return folder


@pytest.fixture
def image_list(image_folder: Path) -> Path:
    """A list of these files with the labels 0, 1, 2, 0, ..."""
    path = image_folder.parent / "list.txt"
    path.write_text("".join(f"{i}.jpg {i % 3}\n" for i in range(12)))
    return path
