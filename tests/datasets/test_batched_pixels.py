"""Batched transforms give the pixels of the transforms, for equal parameters."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torchvision.transforms as T
from torch import Tensor

from mmselfsup.datasets.batched.geometric import axis_weights
from mmselfsup.datasets.batched.photometric import blur
from tests.datasets.batched_views import (
    BYOL,
    SIMCLR,
    Config,
    batched_pipeline_of,
    fast_views,
    photo,
    photos,
    pipeline,
    slow_views,
    torchvision_views,
)

IMAGES = photos(32)


def compare(fast: Tensor, slow: Tensor, mean: float, most: float, drift: float = 0.1) -> None:
    """Differences in grey levels: on average over the worst image, anywhere, and of moments."""
    error = (fast - slow) * 255  # [N, 3, S, T]
    assert error.abs().mean((1, 2, 3)).max() <= mean
    assert error.abs().max() <= most + 1e-3
    assert abs(float(error.mean())) <= drift
    spread = (fast.std((1, 2, 3)) - slow.std((1, 2, 3))).mean() * 255
    assert abs(float(spread)) <= drift


def jitter(**strength: float) -> Config:
    return dict(type="ColorJitter", **strength)


# Transforms on equal images; largest mean error of an image, largest error, in grey levels.
STEPS: list[tuple[list[Config], float, float]] = [
    ([], 0, 0),
    ([dict(type="RandomHorizontalFlip")], 0, 0),
    ([dict(type="RandomVerticalFlip", p=0.3)], 0, 0),
    ([dict(type="RandomRotation", degrees=(270, 270))], 0, 0),
    ([dict(type="Solarization", p=0.5)], 0, 0),
    ([dict(type="Solarization", threshold=40, p=1.0)], 0, 0),
    ([dict(type="RandomGrayscale", p=0.5)], 0.05, 1),
    ([dict(type="GaussianBlur", sigma_min=0.1, sigma_max=2.0, p=0.5)], 0.2, 1),
    ([dict(type="GaussianBlur", sigma_min=0.0, sigma_max=0.0, p=1.0)], 0, 0),
    ([jitter(brightness=0.8)], 0.01, 1),
    ([jitter(contrast=0.8)], 0.01, 1),
    ([jitter(saturation=0.8)], 0.01, 1),
    ([jitter(hue=0.5)], 0.6, 12),
    ([SIMCLR], 1.0, 25),
    (BYOL[:4], 1.0, 25),
]
SQUARES = [photo(48, 48, seed) for seed in range(32)]
WHOLE = dict(size=48, scale=(1.0, 1.0), ratio=(1.0, 1.0))  # a crop that takes all


@pytest.mark.parametrize(("steps", "mean", "most"), STEPS)
def test_equal_draws_give_nearly_equal_pixels(
    steps: list[Config], mean: float, most: float
) -> None:
    chain = pipeline(steps, **WHOLE)
    compare(fast_views(chain, SQUARES), slow_views(chain, SQUARES), mean, most)


@pytest.mark.parametrize("steps", [steps for steps, *_ in STEPS[-6:-1]])
def test_colours_against_torchvision(steps: list[Config]) -> None:
    """Its hue is Pillow's, which is coarser than OpenCV's: see ``test_pixels``."""
    strength = {key: value for key, value in steps[0].items() if key != "type"}
    slow = torchvision_views([T.RandomResizedCrop(**WHOLE), T.ColorJitter(**strength)], SQUARES)
    mean, most = (2.5, 40) if "hue" in strength else (0.3, 3)
    compare(fast_views(pipeline(steps, **WHOLE), SQUARES), slow, mean, most)


def test_a_whole_pipeline_keeps_the_moments() -> None:
    """Solarization turns what lies about its threshold into far values, so no largest error."""
    chain = pipeline(BYOL)
    fast, slow = fast_views(chain, IMAGES), slow_views(chain, IMAGES)
    compare(fast[:, :, ::2], slow[:, :, ::2], 3.0, 255, 0.2)
    compare(fast.mean((2, 3), keepdim=True), slow.mean((2, 3), keepdim=True), 1.5, 3, 0.2)


CROPS: list[tuple[dict[str, Any], float, float]] = [
    (dict(size=32), 0.25, 1),
    (dict(size=150, scale=(0.02, 1.0)), 0.25, 1),
    (dict(size=(24, 40), ratio=(0.2, 5.0)), 0.25, 1),
    (dict(size=(24, 40), scale=(0.02, 1.0), interpolation=3), 0.3, 4),
]


@pytest.mark.parametrize(("options", "mean", "most"), CROPS)
def test_crops_against_both_ways(options: dict[str, Any], mean: float, most: float) -> None:
    chain = pipeline([], **options)
    fast = fast_views(chain, IMAGES)
    compare(fast, slow_views(chain, IMAGES), mean, most)
    compare(fast, torchvision_views([T.RandomResizedCrop(**options)], IMAGES), mean, most)


def test_a_pipeline_against_torchvision() -> None:
    strengths = {k: v for k, v in SIMCLR.items() if k != "type"}
    slow = torchvision_views(
        [
            T.RandomResizedCrop(32),
            T.RandomHorizontalFlip(),
            T.ColorJitter(**{**strengths, "hue": 0}),
            T.RandomGrayscale(0.2),
        ],
        IMAGES,
    )
    steps = [
        dict(type="RandomHorizontalFlip"),
        {**SIMCLR, "hue": 0},
        dict(type="RandomGrayscale", p=0.2),
    ]
    compare(fast_views(pipeline(steps), IMAGES), slow, 1.0, 8)


def test_any_order_of_flips_and_turns() -> None:
    turn = dict(type="RandomRotation", degrees=(90, 90))
    sometimes = [
        dict(type="RandomAppliedTrans", transforms=[turn, dict(type="RandomVerticalFlip")], p=0.5),
        dict(type="RandomHorizontalFlip"),
        dict(type="RandomAppliedTrans", transforms=[turn, turn], p=0.5),
        dict(type="RandomVerticalFlip"),
        dict(type="RandomAppliedTrans", transforms=[turn], p=0.5),
    ]
    chain, images = pipeline(sometimes), photos(64)
    compare(fast_views(chain, images), slow_views(chain, images), 0.25, 1)


def test_normalised_bit_for_bit() -> None:
    norm = dict(type="Normalize", mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
    plain = fast_views(pipeline(BYOL), IMAGES[:4])
    made = fast_views(pipeline(BYOL, [dict(type="ToTensor"), norm]), IMAGES[:4])
    assert torch.equal(made, T.Normalize(norm["mean"], norm["std"])(plain))
    levels = plain * 255
    assert torch.allclose(levels, levels.round(), atol=1e-4), "each step ends in 8 bits"
    assert 0 <= float(plain.min()) <= float(plain.max()) <= 1


def test_a_map_along_an_axis_is_a_slow_loop() -> None:
    begin, extent, size, length = 3, 17, 5, 24
    found = axis_weights(*(torch.tensor([v]) for v in (begin, extent, 0)), length, size)[0]
    scale = extent / size
    for i in range(size):
        row = []
        for x in range(length):
            inside = begin <= x < begin + extent
            distance = abs((x - begin + 0.5) - (i + 0.5) * scale) / scale
            row.append(max(0.0, 1 - distance) if inside else 0.0)
        wanted = torch.tensor(row) / sum(row)
        torch.testing.assert_close(found[i], wanted)


def test_blur_is_a_slow_loop() -> None:
    images, sigma, radius = torch.randint(0, 256, (1, 3, 9, 7)).float(), 0.8, 3
    taps = [float(torch.exp(torch.tensor(-(k**2) / (2 * sigma**2)))) for k in range(-3, 4)]
    wanted = torch.zeros_like(images)
    for y in range(9):
        for x in range(7):
            for dy in range(-radius, radius + 1):
                for dx in range(-radius, radius + 1):
                    weight = taps[dy + 3] * taps[dx + 3] / sum(taps) ** 2
                    row, column = min(max(y + dy, 0), 8), min(max(x + dx, 0), 6)
                    wanted[..., y, x] += weight * images[..., row, column]
    made = blur(images, torch.tensor([sigma]), 6)
    assert (made - wanted).abs().max() <= 0.5001


def test_nothing_waits_for_the_device() -> None:
    """A meta tensor has no values: code that reads one fails."""
    chain = pipeline([*BYOL, dict(type="RandomRotation", degrees=(90, 90))])
    batched = batched_pipeline_of(chain)
    numbers = torch.tensor([batched.sample_params(100, 140) for _ in range(16)])
    pixels = torch.empty(16, 100, 140, 3, dtype=torch.uint8, device="meta")
    views = batched.apply(pixels, numbers)
    assert views.device.type == "meta"
    assert views.shape == (16, 3, 32, 32)
    assert views.dtype == torch.float32


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same_and_is_never_waited_for() -> None:
    batched = batched_pipeline_of(pipeline(BYOL[:4]))
    numbers = torch.tensor([batched.sample_params(100, 140) for _ in range(16)])
    pixels = torch.randint(0, 256, (16, 100, 140, 3), dtype=torch.uint8)
    there = pixels.cuda()
    batched.apply(there, numbers)  # chooses kernels
    torch.cuda.set_sync_debug_mode("error")
    try:
        views = batched.apply(there, numbers)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    compare(views.cpu(), batched.apply(pixels, numbers), 0.2, 25)
