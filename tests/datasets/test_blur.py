"""The blur is a Gaussian of random width."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmselfsup.datasets.pipelines import GaussianBlur


def noise(height: int = 33, width: int = 41) -> Image.Image:
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3)).astype(np.uint8))


def share_changed(transform: Any, img: Image.Image, tries: int = 400) -> float:
    return float(np.mean([transform(img) is not img for _ in range(tries)]))


def test_blur_is_a_gaussian() -> None:
    sigma, reach = 1.7, 5  # three sigmas
    offsets = np.arange(-reach, reach + 1)
    kernel = np.exp(-(offsets**2) / (2 * sigma**2))
    kernel /= kernel.sum()
    img = noise()
    padded = np.pad(np.asarray(img, dtype=float), ((reach,) * 2, (reach,) * 2, (0, 0)), "edge")
    rows = sum(k * padded[i : i + 33] for i, k in enumerate(kernel))
    both = sum(k * rows[:, i : i + 41] for i, k in enumerate(kernel))
    blurred = GaussianBlur(sigma, sigma, p=1)(img)
    assert blurred.mode == "RGB"
    assert np.abs(np.asarray(blurred) - both).max() <= 0.51  # rounded once


def test_blur_draws_its_width_uniformly() -> None:
    img = Image.fromarray(np.pad([[[255] * 3]], ((20, 20), (20, 20), (0, 0))).astype(np.uint8))
    transform = GaussianBlur(1.0, 3.0, p=1.0)
    # the peak of a blurred point is 255 / (2 pi sigma^2), so it determines sigma
    peaks = np.array([np.asarray(transform(img))[20, 20, 0] for _ in range(600)])
    sigmas = np.sqrt(255 / (2 * np.pi * peaks))
    quarters = np.quantile(sigmas, [0.25, 0.5, 0.75])
    np.testing.assert_allclose(quarters, [1.5, 2.0, 2.5], atol=0.17)


def test_blur_probability_and_arguments() -> None:
    assert share_changed(GaussianBlur(0.1, 2.0, p=0.3), noise()) == pytest.approx(0.3, abs=0.08)
    assert share_changed(GaussianBlur(0.1, 2.0, p=0.0), noise()) == 0
    img = noise()
    assert GaussianBlur(0, 0, p=1)(img) is img
    assert GaussianBlur(1, 1, p=1)(img.convert("L")).mode == "L"
    with pytest.raises(ValueError, match="sigma_min"):
        GaussianBlur(2.0, 1.0)
    with pytest.raises(ValueError, match=r"p must be in 0\.\.1, got 1\.5"):
        GaussianBlur(0.1, 2.0, p=1.5)
