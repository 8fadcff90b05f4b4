"""Dark borders are cut, and nothing but them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmselfsup.isic.color_constancy import (
    RECORD,
    Settings,
    correct,
    correct_folder,
)
from mmselfsup.isic.contact_sheet import write_sheet
from mmselfsup.isic.dark_border import crop_border, find_border
from mmselfsup.utils.errors import UserError


def photograph(
    height: int,
    width: int,
    centre: tuple[float, float],
    radius: float,
    seed: int = 0,
    dark: int = 12,
) -> tuple[Image.Image, np.ndarray]:
    """Skin with a lesion, seen through a round field of view [H, W]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    picture = np.array([220.0, 160.0, 150.0]) + rng.normal(0, 6, (height, width, 1))
    lesion = np.hypot(y - centre[0], x - centre[1]) < radius / 3
    picture[lesion] = (60, 40, 35)
    field = np.hypot(y - centre[0], x - centre[1]) <= radius
    picture[~field] = dark + rng.normal(0, 4, (height, width, 1))[~field]
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8)), field


@settings(max_examples=60, deadline=None)
@given(
    st.integers(60, 160), st.integers(60, 160), st.floats(0.3, 0.7), st.floats(0.3, 0.7),
    st.floats(0.25, 0.9), st.integers(0, 1000), st.integers(0, 30),
)  # fmt: skip
def test_round_field_of_view(
    height: int, width: int, cy: float, cx: float, radius: float, seed: int, dark: int
) -> None:
    side = min(height, width)
    image, field = photograph(height, width, (cy * height, cx * width), radius * side, seed, dark)
    box = find_border(image)
    rows, columns = np.flatnonzero(field.any(axis=1)), np.flatnonzero(field.any(axis=0))
    exact = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    if box != (0, 0, width, height):  # what is cut has no more than a line of the field's edge
        for found, bound, sign in zip(box, exact, (1, 1, -1, -1), strict=True):
            assert (found - bound) * sign <= 2
    kept = (rows[-1] - rows[0]) / height, (columns[-1] - columns[0]) / width
    if min(kept) > 0.4:  # and all of the border is found
        np.testing.assert_allclose(box, exact, atol=3)


def test_what_is_no_border_stays() -> None:
    image, _ = photograph(90, 120, (45, 60), 300)
    assert find_border(image) == (0, 0, 120, 90)
    assert crop_border(image) is image
    black = Image.new("RGB", (120, 90))
    assert find_border(black) == (0, 0, 120, 90)
    assert find_border(Image.new("RGB", (120, 8))) == (0, 0, 120, 8)
    lesion = Image.new("RGB", (120, 90), (210, 150, 140))
    lesion.paste((20, 15, 15), (0, 20, 60, 80))  # a black lesion that touches the edge
    assert find_border(lesion) == (0, 0, 120, 90)
    dim = Image.new("RGB", (120, 90), (45, 30, 30))  # underexposed all over
    assert find_border(dim) == (0, 0, 120, 90)
    only_corners, _ = photograph(90, 120, (45, 60), 61)
    assert find_border(only_corners) == (0, 0, 120, 90)


def test_other_modes_and_a_speck_of_dust() -> None:
    image, _ = photograph(100, 140, (50, 70), 40)
    box = find_border(image)
    for mode in ("L", "CMYK", "RGBA"):
        np.testing.assert_allclose(find_border(image.convert(mode)), box, atol=2)
    dusty = image.copy()
    dusty.paste((255, 255, 255), (3, 3, 5, 5))
    assert find_border(dusty) == box


def test_folder_and_sheet(tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    source.mkdir()
    for i in range(6):
        image, _ = photograph(96, 128, (48, 64), 36 if i % 2 else 300, seed=i)
        image.save(source / f"{i}.png")
    made, _, failures = correct_folder(source, target, Settings(crop_border=True), workers=0)
    assert (made, failures) == (6, [])
    assert json.loads((target / RECORD).read_text())["crop_border"] is True
    sizes = [Image.open(target / f"{i}.png").size for i in range(6)]
    assert sizes[0] == (128, 96)
    assert abs(sizes[1][0] - 73) <= 4
    assert abs(sizes[1][1] - 73) <= 4
    with pytest.raises(UserError, match="holds images made with"):
        correct_folder(source, target, Settings(), workers=0)
    assert "crop_border" not in Settings().record()  # folders of before stay valid
    assert write_sheet(source, target, tmp_path / "sheet.png", number=4) == 4
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert (sheet == (0, 220, 80)).all(axis=2).any()  # the frame
    with pytest.raises(UserError, match=r"name a \.png"):
        write_sheet(source, target, tmp_path / "sheet.gif")
    with pytest.raises(UserError, match="--num 0: a sheet needs 1 image or more"):
        write_sheet(source, target, tmp_path / "sheet.png", number=0)
    with pytest.raises(UserError, match="none of the images"):
        write_sheet(source, tmp_path, tmp_path / "sheet.png")


def test_keep_colors() -> None:
    image, _ = photograph(96, 128, (48, 64), 36)
    kept = correct(image, Settings(crop_border=True, keep_colors=True))
    assert np.array_equal(np.asarray(kept), np.asarray(crop_border(image)))
    small = correct(image, Settings(short_side=40, keep_colors=True))
    assert min(small.size) == 40
