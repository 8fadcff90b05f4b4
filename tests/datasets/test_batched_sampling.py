"""Batched transforms sample from the distributions of the transforms; each sample has its seed."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
import torchvision.transforms as T
from numpy.typing import NDArray
from scipy import stats

from mmselfsup.datasets.batched.photometric import BRIGHTNESS, CONTRAST, HUE, SATURATION
from tests.datasets.batched_views import BYOL, batched_pipeline_of, pipeline

Numbers = NDArray[np.float64]
NUM, HEIGHT, WIDTH = 4000, 96, 128
LEAST = 1e-3  # p-value; the seeds are fixed, so a test passes always or never


@pytest.fixture(scope="module")
def drawn() -> dict[str, Numbers]:
    """Name of a batched transform -> its sampled parameters, [NUM, P], for ``BYOL``."""
    batched = batched_pipeline_of(pipeline(BYOL))
    rows = []
    for seed in range(NUM):
        torch.manual_seed(seed)
        rows.append(batched.sample_params(HEIGHT, WIDTH))
    table = np.array(rows)
    names = ["Crop", "Flip", "Jitter", "Grey", "Blur", "Solarize", "VerticalFlip"]
    assert len(names) == len(batched.steps)
    places = zip(names, batched.steps, strict=True)
    return {name: table[:, begin:end] for name, (_, begin, end) in places}


def assert_rate(happened: NDArray[Any], p: float) -> None:
    assert stats.binomtest(int(happened.sum()), len(happened), p).pvalue > LEAST


def assert_uniform(values: Numbers, low: float, high: float) -> None:
    assert low <= values.min()
    assert values.max() <= high
    assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > LEAST


def test_area_and_ratio_of_crops(drawn: dict[str, Numbers]) -> None:
    image = torch.empty(3, HEIGHT, WIDTH)
    torch.manual_seed(10**6)  # other draws than those above
    slow = np.array(
        [T.RandomResizedCrop.get_params(image, [0.08, 1], [3 / 4, 4 / 3]) for _ in range(NUM)]
    )
    fast = drawn["Crop"]
    for measure in (
        lambda c: c[:, 2] * c[:, 3] / (HEIGHT * WIDTH),  # fraction
        lambda c: np.log(c[:, 3] / c[:, 2]),  # ratio
        lambda c: c[:, 0] + c[:, 2] / 2,  # middle
        lambda c: c[:, 1] + c[:, 3] / 2,
    ):
        assert stats.ks_2samp(measure(fast), measure(slow)).pvalue > LEAST
    assert (fast[:, 0] + fast[:, 2]).max() <= HEIGHT
    assert (fast[:, 1] + fast[:, 3]).max() <= WIDTH


@pytest.mark.parametrize(
    ("name", "p"), [("Flip", 0.5), ("VerticalFlip", 0.5), ("Grey", 0.2), ("Solarize", 0.2)]
)
def test_rates(drawn: dict[str, Numbers], name: str, p: float) -> None:
    assert set(np.unique(drawn[name])) == {0, 1}
    assert_rate(drawn[name][:, 0] > 0, p)


def test_order_and_strength_of_colours(drawn: dict[str, Numbers]) -> None:
    orders, strengths = drawn["Jitter"][:, ::2], drawn["Jitter"][:, 1::2]
    done = orders.max(1) > 0  # not four times brightness by 1
    assert_rate(done, 0.8)
    assert (strengths[~done] == 1).all()
    orders, strengths = orders[done], strengths[done]
    seen = [(orders == order).all(1).sum() for order in itertools.permutations(range(4))]
    assert sum(seen) == len(orders)
    assert stats.chisquare(seen).pvalue > LEAST
    for change in (BRIGHTNESS, CONTRAST, SATURATION):
        assert_uniform(strengths[orders == change], 0.2, 1.8)
    assert_uniform(strengths[orders == HUE], -0.2, 0.2)


def test_width_of_blur(drawn: dict[str, Numbers]) -> None:
    sigma = drawn["Blur"][:, 0]
    assert_rate(sigma > 0, 0.5)
    assert_uniform(sigma[sigma > 0], 0.1, 2.0)


def test_draws_are_independent(drawn: dict[str, Numbers]) -> None:
    chosen = [drawn["Crop"][:, 0], drawn["Flip"][:, 0], drawn["Grey"][:, 0], drawn["Blur"][:, 0]]
    table = np.corrcoef(np.array(chosen))
    assert np.abs(table - np.eye(len(chosen))).max() < 4 / np.sqrt(NUM)
