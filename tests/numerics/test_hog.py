"""Histograms of oriented gradients against scikit-image, and against a loop over pixels."""

import math

import numpy as np
import pytest
import torch
from skimage.feature import hog

from mmselfsup.models.utils.hog_layer import HOGLayerC
from mmselfsup.utils.errors import ArgumentError


def slow_histograms(channel, nbins, pool, window):
    """Histograms [rows, columns, nbins] of one channel [H, W], pixel after pixel."""
    height, width = channel.shape
    wide = np.pad(channel, 1, mode="reflect")
    offset = (np.arange(window) - (window - 1) / 2) / (window // 2) if window else None
    weights = np.exp(-(offset[:, None] ** 2 + offset**2) / 2) if window else None
    bins = np.zeros((height // pool, width // pool, nbins))
    for i in range(height):
        for j in range(width):
            (a, b, c), (d, _, f), (g, h, k) = wide[i : i + 3, j : j + 3]
            gx = a + 2 * d + g - c - 2 * f - k
            gy = a + 2 * b + c - g - 2 * h - k
            vote = math.hypot(gx, gy)
            if window:
                vote *= weights[i % window, j % window] / weights.sum()
            direction = math.floor(math.atan2(gx, gy) / math.pi * nbins) % nbins
            bins[i // pool, j // pool, direction] += vote
    return bins / np.linalg.norm(bins, axis=2, keepdims=True)


@pytest.mark.parametrize("window", [0, 8])
def test_histograms_equal_the_loop(window):
    images = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(0)).double()
    layer = HOGLayerC(nbins=9, pool=4, gaussian_window=window).double()
    got = layer(images)
    side = window or 4
    rows, columns, cells = 16 // side, 24 // side, side // 4
    assert got.shape == (2, rows * columns, 3 * 9 * cells**2)
    got = got.unflatten(1, (rows, columns)).unflatten(3, (3, 9, cells, cells))
    for n in range(2):
        for channel in range(3):
            expected = slow_histograms(images[n, channel].numpy(), 9, 4, window)
            for i in range(16 // 4):
                for j in range(24 // 4):
                    patch = got[n, i // cells, j // cells, channel, :, i % cells, j % cells]
                    np.testing.assert_allclose(patch, expected[i, j], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_histograms_equal_those_of_scikit_image(seed):
    # Gradients of quadratic images are linear, so Sobel's and scikit-image's filters agree.
    row, column = np.mgrid[:32, :32] / 32
    a, b, c, d, e = np.random.default_rng(seed).normal(size=5)
    image = a * row**2 + b * row * column + c * column**2 + d * row + e * column
    # scikit-image counts directions from the other axis: transpose there and back.
    expected = hog(
        image.T, 9, (8, 8), cells_per_block=(1, 1), block_norm="L2", feature_vector=False
    )[:, :, 0, 0].transpose(1, 0, 2)  # [rows, columns, 9]
    images = torch.from_numpy(image).expand(1, 3, 32, 32)
    got = HOGLayerC(nbins=9, pool=8, gaussian_window=0).double()(images)  # [1, 16, 27]
    got = got.unflatten(1, (4, 4)).unflatten(3, (3, 9))
    for channel in range(3):  # the border differs: scikit-image has no gradient there
        np.testing.assert_allclose(got[0, 1:3, 1:3, channel], expected[1:3, 1:3], atol=1e-4)


def test_grey_images_have_no_direction():
    assert HOGLayerC()(torch.full((1, 3, 32, 32), 0.5)).abs().max() == 0


def test_half_precision_is_computed_in_float32():
    images = torch.rand(1, 3, 32, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = HOGLayerC()(images)
    assert torch.equal(got, HOGLayerC()(images))


def test_parts_of_patches_are_said():
    with pytest.raises(ArgumentError, match="patches of 16 x 16"):
        HOGLayerC()(torch.rand(1, 3, 24, 32))
    with pytest.raises(ArgumentError, match="multiple of pool"):
        HOGLayerC(pool=8, gaussian_window=12)
