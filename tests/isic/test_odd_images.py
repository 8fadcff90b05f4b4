"""The steps of the preparation on whatever files there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmselfsup.datasets.data_sources.decode import walk_images
from mmselfsup.datasets.statistics import pixel_statistics
from mmselfsup.isic.color_constancy import Settings, correct_folder
from mmselfsup.isic.contact_sheet import write_sheet
from mmselfsup.isic.duplicates import image_hashes
from mmselfsup.utils.errors import UserError
from tests.odd_images import broken_files, encode, good_files, picture, write_files


def test_every_step_takes_every_file(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    names = write_files(before, good_files())
    settings = Settings(crop_border=True, short_side=32)
    made, _, failures = correct_folder(before, after, settings, workers=1)
    assert [line.partition(": convert ")[2] for line in failures] == [
        f"{before / 'animated.gif'} to PNG first"
    ]
    assert made == len(names) - 1
    for name in walk_images(after):
        image = Image.open(after / name)
        assert image.mode == "RGB"
        shown = good_files()[str(name)].picture.size
        assert (image.width > image.height) == (shown[0] > shown[1]), name  # upright, not cut
        assert min(image.size) == min(32, *shown), name
    number = len(names) - 1
    assert write_sheet(before, after, tmp_path / "sheet.png", number=number) == number
    assert image_hashes([before / name for name in names], workers=1).shape == (len(names), 256)
    measured = pixel_statistics([before / name for name in names], size=[16, 16], workers=1)
    assert (measured.num_images, measured.num_pixels) == (len(names), 256 * len(names))
    assert all(0.3 < value < 0.6 for value in measured.mean)


def test_copies_in_other_formats_are_near_duplicates(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    image = Image.fromarray(noise).resize((256, 192), Image.Resampling.BICUBIC)
    grey16 = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    copies = {
        "a.jpg": encode(image, "JPEG"),
        "b.jpg": encode(image.convert("CMYK"), "JPEG"),
        "c.png": encode(image.convert("RGBA"), "PNG"),
        "d.png": encode(grey16, "PNG"),
        "e.tif": encode(image.convert("L"), "TIFF"),
        "other.jpg": encode(picture(0, 192, 256), "JPEG"),
    }
    names = write_files(tmp_path, copies)
    hashes = image_hashes([tmp_path / name for name in names], workers=1)
    distances = (hashes != hashes[0]).sum(axis=1)
    assert distances[:-1].max() <= 24
    assert distances[-1] > 60


@pytest.mark.parametrize("name", sorted(broken_files()))
def test_a_broken_file_is_named(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "before"
    write_files(folder, {"good.png": good_files()["alpha.png"], name: broken_files()[name]})
    made, _, failures = correct_folder(folder, tmp_path / "after", Settings(), workers=1)
    assert made == 1
    assert len(failures) == 1
    assert failures[0].startswith(f"can't read the image {folder / name}: ")
    for step in (image_hashes, pixel_statistics):
        with pytest.raises(UserError, match=f"can't read the image {folder / name}: "):
            step([folder / "good.png", folder / name], workers=1)
    assert write_sheet(folder, tmp_path / "after", tmp_path / "sheet.png") == 1
