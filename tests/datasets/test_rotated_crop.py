"""Crops at any angle: nothing outside of the image, the lesion's share, the place of pixels."""

import math

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from mmselfsup.datasets.pipelines import RotatedCrop
from mmselfsup.datasets.pipelines.rotated_crop import Rectangle, cut, rough_lesion
from mmselfsup.utils.errors import ArgumentError

SKIN, MOLE = (220, 170, 160), (90, 50, 40)


def skin_with_disc(height, width, radius, x=0.5, y=0.5):
    """An image of skin with a dark disc, and the places of the disc's pixels [K, 2]."""
    down, across = np.mgrid[:height, :width] + 0.5
    disc = np.hypot(across - x * width, down - y * height) <= radius
    pixels = np.where(disc[..., None], MOLE, SKIN).astype(np.uint8)
    rows, columns = np.nonzero(disc)
    return pixels, np.stack([columns + 0.5, rows + 0.5], axis=1)


def draws(crop, pixels, number):
    return [crop.sample_params(pixels) for _ in range(number)]


@pytest.mark.parametrize("size", [(150, 200), (64, 64), (300, 20), (7, 90), (1, 1)])
@pytest.mark.parametrize("least", [0.0, 0.6])
def test_no_corner_is_outside(size, least):
    torch.manual_seed(0)
    pixels = np.full((*size, 3), 200, np.uint8)
    crop = RotatedCrop(16, scale=(0.1, 1.0), least_lesion=least)
    for rectangle in draws(crop, pixels, 100):
        corners = rectangle.corners()
        assert corners.min() > -1e-6
        assert (corners.max(0) < np.array(size[::-1]) + 1e-6).all()
    for _ in range(20):
        view = crop(pixels)
        assert view.shape == (16, 16, 3)
        assert view.dtype == np.uint8
        assert (view == 200).all()  # a black corner, or a mix with one, would be darker


@pytest.mark.parametrize("side", [8, 25, 64])  # shrunk, and enlarged
@pytest.mark.parametrize("angle", [0.0, 0.4, math.pi / 2, 2.5, 4.0])
def test_each_pixel_comes_from_its_place(side, angle):
    down, across = np.mgrid[:150, :200].astype(np.uint8)
    image = np.stack([across, down, 0 * down], axis=2)  # its colour says where a pixel is
    centre, width, height = np.array([110.0, 70.0]), 70.0, 50.0
    view = cut(image, Rectangle(*centre, width, height, angle), side).astype(float)
    for row in (1, side // 2, side - 2):
        for column in (1, side // 3, side - 2):
            along = ((column + 0.5) / side - 0.5) * width
            below = ((row + 0.5) / side - 0.5) * height
            turned = (
                along * math.cos(angle) + below * math.sin(angle),
                -along * math.sin(angle) + below * math.cos(angle),
            )
            # The pixel i spans i..i + 1, so the colour at a place is the place less a half.
            assert view[row, column, :2] == pytest.approx(centre + turned - 0.5, abs=1.1)


def test_whole_image_turned_by_a_quarter_is_a_permutation():
    image = np.random.default_rng(0).integers(0, 256, (24, 24, 3)).astype(np.uint8)
    for quarters in range(4):
        view = cut(image, Rectangle(12, 12, 24, 24, quarters * math.pi / 2), 24)
        # The rectangle turns counter-clockwise, so the picture in it turns the other way.
        np.testing.assert_array_equal(view, np.rot90(image, -quarters))


def test_fine_stripes_do_not_alias():
    stripes = np.zeros((256, 256), np.uint8)
    stripes[:, ::2] = 255
    view = cut(stripes, Rectangle(128, 128, 160, 160, 0.3), 20)
    assert np.abs(view.astype(float) - 127.5).max() < 12


def test_angle_area_ratio_and_place_are_uniform():
    torch.manual_seed(0)
    pixels = np.zeros((200, 200, 3), np.uint8)
    crop = RotatedCrop(8, scale=(0.05, 0.1), ratio=(0.5, 2.0))
    crops = draws(crop, pixels, 4000)
    angle = np.array([c.angle for c in crops]) / (2 * math.pi)
    area = (np.array([c.width * c.height for c in crops]) / 200**2 - 0.05) / 0.05
    ratio = np.log2([c.width / c.height for c in crops]) / 2 + 0.5
    low, high = (np.array([f(c.corners()[:, 0]) for c in crops]) for f in (np.min, np.max))
    place = low / (low + 200 - high)  # share of the free room that lies to the left
    for values in (angle, area, ratio, place):
        steps = np.sort(values) - (np.arange(4000) + 0.5) / 4000
        assert np.abs(steps).max() < 1.63 / math.sqrt(4000)  # Kolmogorov-Smirnov, 1 %


def test_share_of_the_lesion_is_kept():
    torch.manual_seed(0)
    pixels, lesion = skin_with_disc(150, 200, 22, x=0.35, y=0.6)
    free = [c.share(lesion) for c in draws(RotatedCrop(8, (0.1, 0.4)), pixels, 300)]
    kept = draws(RotatedCrop(8, (0.1, 0.4), least_lesion=0.7), pixels, 300)
    assert min(free) < 0.1
    # The lesion is estimated in a copy of 48 pixels: a few of its pixels differ.
    assert min(c.share(lesion) for c in kept) > 0.65
    assert np.mean([c.share(rough_lesion(pixels)) >= 0.7 for c in kept]) == 1
    areas = np.array([c.width * c.height for c in kept]) / 30000
    assert areas.min() >= 0.1 - 1e-9
    assert areas.max() <= 0.4 + 1e-9


@pytest.mark.parametrize("long", [False, True])
def test_a_lesion_larger_than_every_crop_is_cut(long):
    torch.manual_seed(0)
    pixels, lesion = skin_with_disc(120, 160, 50)
    if long:
        pixels[:] = SKIN
        pixels[54:66, 4:156] = MOLE  # no crop of a tenth of the image keeps most of it
        rows, columns = np.nonzero(pixels[..., 0] == MOLE[0])
        lesion = np.stack([columns + 0.5, rows + 0.5], axis=1)
    crop = RotatedCrop(8, (0.05, 0.1), least_lesion=0.9)
    crops = draws(crop, pixels, 40)
    areas = np.array([c.width * c.height for c in crops]) / (120 * 160)
    assert areas.min() >= 0.05 - 1e-9
    assert areas.max() <= 0.1 + 1e-9
    # The best of many crops: better than most that are drawn without a look at the lesion.
    free = [c.share(lesion) for c in draws(RotatedCrop(8, (0.05, 0.1)), pixels, 300)]
    assert min(c.share(lesion) for c in crops) >= np.quantile(free, 0.7)


def test_the_crop_around_a_lesion_is_tried_last():
    torch.manual_seed(0)
    pixels, lesion = skin_with_disc(120, 160, 20)
    crops = draws(RotatedCrop(8, (0.01, 0.11), least_lesion=0.9999), pixels, 40)
    assert max(c.width * c.height for c in crops) <= 0.11 * 120 * 160 + 1e-6
    assert min(c.share(lesion) for c in crops) > 0.9
    assert {round(c.angle / (math.pi / 2)) for c in crops} >= {0, 1, 2, 3}


def test_rough_lesion_finds_a_disc_and_takes_the_middle_of_bare_skin():
    pixels, lesion = skin_with_disc(150, 200, 30, x=0.4, y=0.45)
    found = rough_lesion(pixels)
    assert found.mean(0) == pytest.approx(lesion.mean(0), abs=3)
    area = len(found) * (150 / 36) * (200 / 48)
    assert area == pytest.approx(len(lesion), rel=0.2)
    assert np.allclose(
        rough_lesion(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)).mean(0), found.mean(0), atol=3
    )

    bare = rough_lesion(np.full((150, 200, 3), 180, np.uint8))
    assert bare.mean(0) == pytest.approx([100, 75], abs=1e-6)
    assert len(bare) / (36 * 48) == pytest.approx(math.pi * 0.4**2, rel=0.05)


def test_dark_corners_are_no_lesion():
    pixels, lesion = skin_with_disc(150, 200, 25)
    down, across = np.mgrid[:150, :200]
    pixels[np.hypot((across - 100) / 100, (down - 75) / 75) > 1.1] = 5
    assert len(rough_lesion(pixels)) * (30000 / (36 * 48)) == pytest.approx(len(lesion), rel=0.3)
    black = np.zeros((30, 40, 3), np.uint8)
    assert len(rough_lesion(black))


def test_one_seed_gives_one_view_and_each_image_its_own_lesion():
    left, right = (skin_with_disc(150, 200, 20, x=x)[0] for x in (0.2, 0.8))
    crop = RotatedCrop(8, (0.05, 0.1), least_lesion=0.8)
    assert all(c.x < 80 for c in draws(crop, left, 10))
    assert all(c.x > 120 for c in draws(crop, right, 10))
    assert crop.sample_params(left).x < 80
    views = []
    for _ in range(2):
        torch.manual_seed(3)
        views.append(crop(left))
    np.testing.assert_array_equal(*views)


def test_an_image_changed_in_place_has_another_lesion():
    left, right = (skin_with_disc(150, 200, 20, x=x)[0] for x in (0.2, 0.8))
    crop = RotatedCrop(8, (0.05, 0.1), least_lesion=0.8)
    assert crop.sample_params(left).x < 80
    left[:] = right
    assert all(c.x > 120 for c in draws(crop, left, 10))


@pytest.mark.parametrize("least", [0.0, 0.5])
@pytest.mark.parametrize("shape", [(40, 50, 1), (40, 50, 4), (40,), (2, 40, 50, 3)])
def test_images_of_another_shape_are_one_line(shape, least):
    with pytest.raises(ArgumentError, match=r"\[H, W, 3\] or \[H, W\], got \[") as caught:
        RotatedCrop(8, least_lesion=least)(np.zeros(shape, np.uint8))
    assert str(list(shape)) in str(caught.value)


def test_formats():
    crop = RotatedCrop(12, least_lesion=0.3)
    pixels, _ = skin_with_disc(40, 50, 8)
    assert crop(pixels[..., 0]).shape == (12, 12)
    image = crop(Image.fromarray(pixels))
    assert isinstance(image, Image.Image)
    assert image.size == (12, 12)
    frozen = pixels.copy()
    frozen.flags.writeable = False  # as from a cache
    assert crop(frozen).shape == (12, 12, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(size=0), "size must be at least 1"),
        (dict(size=8, scale=(0.0, 1.0)), "scale must be"),
        (dict(size=8, scale=(0.5, 0.2)), "scale must be"),
        (dict(size=8, ratio=(0.0, 1.0)), "ratio must be"),
        (dict(size=8, least_lesion=1.5), "least_lesion must be in 0..1"),
    ],
)
def test_arguments(options, message):
    with pytest.raises(ArgumentError, match=message):
        RotatedCrop(**options)
