"""What the new images look like, and the settings that decide it."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from mmselfsup.isic.color_constancy import RECORD, Settings, correct_folder
from mmselfsup.utils.errors import UserError

Save = Callable[[Path, Sequence[str]], None]


def test_short_side_measures_the_light_first_and_clips_last(tmp_path: Path, noise: Any) -> None:
    image = noise(90, 60, seed=3)
    image[..., 0] //= 2
    (tmp_path / "src").mkdir()
    Image.fromarray(image).save(tmp_path / "src/x.png")
    correct_folder(tmp_path / "src", tmp_path / "dst", Settings(short_side=20), 1)
    result = np.asarray(Image.open(tmp_path / "dst/x.png"))
    assert result.shape == (30, 20, 3)
    light = (image.astype(float) ** 6).mean((0, 1)) ** (1 / 6)
    gain = np.linalg.norm(light) / light / 3**0.5
    smaller = cv2.resize(image, (20, 30), interpolation=cv2.INTER_AREA)
    expected = (smaller * gain).clip(0, 255)
    assert np.abs(result - expected).max() <= 0.5 + 1e-9
    correct_folder(tmp_path / "src", tmp_path / "same", Settings(short_side=61), 1)
    assert Image.open(tmp_path / "same/x.png").size == (60, 90)


def test_quality_and_record(save_images: Save, tmp_path: Path) -> None:
    save_images(tmp_path / "src", ["d.jpg"])
    sizes = []
    for quality in (30, 95):
        correct_folder(tmp_path / "src", tmp_path / str(quality), Settings(quality=quality), 1)
        sizes.append((tmp_path / str(quality) / "d.jpg").stat().st_size)
        record = json.loads((tmp_path / str(quality) / RECORD).read_text())
        assert record["quality"] == quality
    assert sizes[0] < sizes[1]


def test_images_stand_upright_as_their_exif_says(tmp_path: Path, noise: Any) -> None:
    (tmp_path / "src").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter
    Image.fromarray(noise(30, 50)).save(tmp_path / "src/x.jpg", exif=exif)
    correct_folder(tmp_path / "src", tmp_path / "dst", Settings(), 1)
    made = Image.open(tmp_path / "dst/x.jpg")
    assert made.size == (30, 50)
    assert not made.getexif()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"power": 0.0}, "power must be a finite number above 0, got 0.0"),
        ({"gamma": -2.2}, "gamma must be"),
        ({"short_side": 0}, "short side must be 1 pixel or more, got 0"),
        ({"quality": 101}, r"quality must be 1..100, got 101"),
    ],
)
def test_settings_are_checked(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Settings(**wrong)


def test_folders_are_checked(save_images: Save, tmp_path: Path) -> None:
    src = tmp_path / "src"
    save_images(src, ["a.png"])
    settings = Settings()
    with pytest.raises(UserError, match="there is no folder"):
        correct_folder(tmp_path / "absent", tmp_path / "dst", settings, 1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="there is no image in"):
        correct_folder(tmp_path / "empty", tmp_path / "dst", settings, 1)
    for inside in (src, src / "cc", tmp_path):
        with pytest.raises(UserError, match="must not lie within each other"):
            correct_folder(src, inside, settings, 1)
    with pytest.raises(UserError, match="workers must be 0 or more, got -1"):
        correct_folder(src, tmp_path / "dst", settings, -1)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="can't write"):
        correct_folder(src, tmp_path / "file", settings, 1)
    assert not list(tmp_path.rglob(".*"))
    assert [path.name for path in src.iterdir()] == ["a.png"]
