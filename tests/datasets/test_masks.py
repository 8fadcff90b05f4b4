"""Masks: how many patches, of which shape, and where."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from mmselfsup.datasets.pipelines import (
    BEiTMaskGenerator,
    IBOTMaskGenerator,
    MaskFeatMaskGenerator,
    SimMIMMaskGenerator,
)
from mmselfsup.utils.errors import ArgumentError


def test_simmim_mask() -> None:
    transform = SimMIMMaskGenerator(192, 32, 4, 0.6)
    masks = []
    for _ in range(300):
        img, mask = transform("img")
        assert img == "img"
        assert mask.shape == (48, 48)
        patches = mask.view(6, 8, 6, 8)
        assert torch.equal(patches.amin((1, 3)), patches.amax((1, 3)))  # whole patches
        assert int(patches[:, 0, :, 0].sum()) == 22  # ceil(36 * 0.6)
        masks.append(patches[:, 0, :, 0])
    assert mask.dtype == torch.int64
    often = torch.stack(masks).float().mean(0)  # each patch equally often
    assert (often - 22 / 36).abs().max() < 0.12
    for sizes in ((192, 30, 4), (192, 32, 5)):
        with pytest.raises(ValueError, match="multiple"):
            SimMIMMaskGenerator(*sizes)
    with pytest.raises(ValueError, match="mask_ratio"):
        SimMIMMaskGenerator(mask_ratio=1.2)


@pytest.mark.parametrize(
    ("transform", "wanted"),
    [
        (BEiTMaskGenerator((14, 14), num_masking_patches=75, min_num_patches=16), 75),
        (MaskFeatMaskGenerator(14, 0.4), 78),
    ],
)
def test_block_masks(transform: Any, wanted: int) -> None:
    counts, total = [], torch.zeros(14, 14)
    for _ in range(200):
        mask = transform("img")[1]
        assert mask.shape == (14, 14)
        assert mask.dtype == torch.int64
        assert set(mask.unique().tolist()) <= {0, 1}
        counts.append(int(mask.sum()))
        total += mask
    assert max(counts) <= wanted  # never more
    assert np.mean(counts) > 0.85 * wanted
    if isinstance(transform, BEiTMaskGenerator):  # CAE needs equally many in each image
        assert min(counts) == wanted
    assert total.min() > 0  # every patch is masked sometimes
    # blocks: a masked patch has more masked neighbours than chance would give it
    beside = (mask[:, 1:] & mask[:, :-1]).sum() / mask[:, 1:].sum()
    assert beside > 1.3 * wanted / 196


def test_block_sizes_and_shapes() -> None:
    # One block of 60 patches.
    generator = MaskFeatMaskGenerator(20, 60 / 400, 60, 60, min_aspect=0.25)
    aspects = []
    for _ in range(300):
        mask = generator("img")[1]
        if not int(mask.sum()):
            continue
        rows, columns = mask.any(1).sum().item(), mask.any(0).sum().item()
        assert int(mask.sum()) == rows * columns  # a rectangle
        assert 45 <= rows * columns <= 60
        aspects.append(np.log(rows / columns))
    assert len(aspects) > 150
    assert abs(np.mean(aspects)) < 0.15  # as often tall as wide
    assert max(np.abs(aspects)) < np.log(4) + 0.4


def test_masks_beside_several_images() -> None:
    out = BEiTMaskGenerator(14, 75)(["first", "second"])
    assert out[:2] == ("first", "second")
    assert out[2].shape == (14, 14)
    with pytest.raises(ValueError, match="can't be masked in 4 x 4"):
        BEiTMaskGenerator(4, 17)


def test_ibot_masks_some_images_by_a_random_part() -> None:
    torch.manual_seed(0)
    generator = IBOTMaskGenerator((8, 10), mask_ratio=(0.1, 0.5), mask_prob=0.5)
    masks = [generator("image")[1] for _ in range(300)]
    assert all(mask.shape == (8, 10) and mask.dtype == torch.int64 for mask in masks)
    counts = [int(mask.sum()) for mask in masks]
    masked = [count for count in counts if count]
    assert 110 < len(masked) < 190
    assert min(masked) >= 8
    assert max(masked) <= 40
    assert 20 < sum(masked) / len(masked) < 28
    assert len(set(masked)) > 20, "the number is drawn for each image"
    always = IBOTMaskGenerator(8, mask_ratio=(0.25, 0.25), mask_prob=1.0)
    assert {int(always("image")[1].sum()) for _ in range(20)} == {16}
    with pytest.raises(ArgumentError, match="mask_ratio must be"):
        IBOTMaskGenerator(8, mask_ratio=(0.5, 0.1))
