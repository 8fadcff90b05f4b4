"""Shades of Gray against its formula, written pixel by pixel."""

from collections.abc import Callable

import numpy as np
import pytest

from mmselfsup.isic.color_constancy import shades_of_gray


def by_formula(image: np.ndarray, power: float, gamma: float | None) -> np.ndarray:
    """The issue's words as loops; not rounded, so that ties may go either way."""
    pixels = [[float(value) for value in pixel] for row in image for pixel in row]
    if gamma is not None:
        pixels = [[255 * (value / 255) ** (1 / gamma) for value in pixel] for pixel in pixels]
    light = []
    for channel in range(3):
        total = sum(pixel[channel] ** power for pixel in pixels)
        light.append((total / len(pixels)) ** (1 / power))
    norm = sum(e**2 for e in light) ** 0.5
    gains = [1 / (e / norm * 3**0.5) for e in light]
    corrected = [[value * g for value, g in zip(pixel, gains, strict=True)] for pixel in pixels]
    return np.array(corrected).clip(0, 255).reshape(image.shape)


@pytest.mark.parametrize("power", [1.0, 6.0, 12.5])
@pytest.mark.parametrize("gamma", [None, 2.2, 0.8])
def test_equals_the_formula(
    noise: Callable[..., np.ndarray], power: float, gamma: float | None
) -> None:
    image = (noise(9, 7, seed=4) * np.array([1.0, 0.6, 0.4])).astype(np.uint8)
    result = shades_of_gray(image, power, gamma)
    assert result.dtype == np.uint8
    assert np.abs(result - by_formula(image, power, gamma)).max() <= 0.5 + 1e-9


def test_bright_pixels_are_clipped_not_wrapped_round() -> None:
    """Little red in the light raises red by a half: 240 turns into 360, which 8 bits make 104."""
    image = np.full((20, 20, 3), (100, 180, 180), dtype=np.uint8)
    image[0, 0] = 240
    assert not_clipped(image)[0, 0, 0] < 200, "this image shows the defect"
    assert shades_of_gray(image)[0, 0, 0] == 255
    assert np.ptp(shades_of_gray(image)[5, 5].astype(int)) < 16


def not_clipped(image: np.ndarray) -> np.ndarray:
    """What scripts without the clip give."""
    light = (image.astype(float) ** 6).mean((0, 1)) ** (1 / 6)
    gain = 1 / (light / np.linalg.norm(light) * 3**0.5)
    return (image * gain).astype(int).astype(np.uint8)


def test_grey_light_changes_nothing(noise: Callable[..., np.ndarray]) -> None:
    grey = np.repeat(noise(seed=2)[..., :1], 3, axis=2)
    np.testing.assert_array_equal(shades_of_gray(grey), grey)


def test_a_colour_cast_is_taken_out(noise: Callable[..., np.ndarray]) -> None:
    scene = noise(40, 40, seed=1, high=160)
    red = (scene * np.array([1.4, 0.9, 0.7])).astype(np.uint8)
    apart = np.abs(red.mean((0, 1)) - scene.mean((0, 1))).max()
    left = shades_of_gray(red).mean((0, 1))
    assert np.ptp(left) < 0.1 * apart


@pytest.mark.parametrize("power", [0.5, 6.0, 500.0])
def test_dark_images_and_dark_channels_stay_finite(power: float) -> None:
    black = np.zeros((4, 4, 3), dtype=np.uint8)
    np.testing.assert_array_equal(shades_of_gray(black, power), black)
    dim = black.copy()
    dim[..., 1] = 1
    result = shades_of_gray(dim, power, gamma=2.2)
    assert result[..., (0, 2)].max() == 0
    assert result[..., 1].min() > 0


def test_large_power_nears_the_brightest_pixel() -> None:
    image = np.full((8, 8, 3), 40, dtype=np.uint8)
    image[0, 0] = (200, 100, 50)
    brightest = shades_of_gray(image, 5000.0)[0, 0].astype(int)
    assert np.ptp(brightest) <= 1


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4), np.uint8), r"need uint8 \[H, W, 3\], got uint8 \[4, 4\]"),
        (np.zeros((4, 4, 4), np.uint8), r"got uint8 \[4, 4, 4\]"),
        (np.zeros((4, 4, 3), np.float32), r"got float32 \[4, 4, 3\]"),
        (np.zeros((0, 4, 3), np.uint8), r"got uint8 \[0, 4, 3\]"),
    ],
)
def test_other_arrays_are_refused(image: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        shades_of_gray(image)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_parameters_must_be_above_zero(noise: Callable[..., np.ndarray], value: float) -> None:
    with pytest.raises(ValueError, match="power must be a finite number above 0"):
        shades_of_gray(noise(), power=value)
    with pytest.raises(ValueError, match="gamma must be a finite number above 0"):
        shades_of_gray(noise(), gamma=value)
