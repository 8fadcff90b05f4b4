"""The error of masked patches against a loop, and the order of the pixels of a patch."""

import math

import pytest
import torch

from mmselfsup.models.losses import masked_patch_error, patch_statistics
from mmselfsup.models.utils.masking import patchify, pixel_mask, unpatchify
from mmselfsup.utils.errors import ArgumentError


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slow(pred, target, mask):
    total, count = 0.0, 0
    for i in range(len(pred)):
        for j in range(pred.shape[1]):
            if mask[i, j]:
                squares = [(float(a) - float(b)) ** 2 for a, b in zip(pred[i, j], target[i, j])]  # noqa: B905
                total += sum(squares) / len(squares)
                count += 1
    return total / max(count, 1)


@pytest.mark.parametrize("shape", [(1, 1, 2), (2, 3, 4), (3, 16, 12)])
def test_equals_the_loop(shape):
    pred, target = numbers(*shape), numbers(*shape, seed=1)
    mask = (numbers(*shape[:2], seed=2) > 0).double()
    loss = masked_patch_error(pred, target, mask)
    assert loss.item() == pytest.approx(slow(pred, target, mask), rel=1e-12)


def test_gradients_reach_masked_patches_only():
    pred, target = numbers(2, 4, 3).requires_grad_(), numbers(2, 4, 3, seed=1)
    mask = torch.tensor([[1, 0, 0, 1], [0, 1, 1, 0]]).double()
    masked_patch_error(pred, target, mask).backward()
    assert torch.equal(pred.grad.abs().sum(dim=2) > 0, mask > 0)
    assert torch.autograd.gradcheck(lambda p: masked_patch_error(p, target, mask), (pred,))
    assert masked_patch_error(pred, target, torch.zeros(2, 4)).item() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_comes_out_as_float32(dtype):
    pred, target, mask = numbers(2, 3, 4).to(dtype), numbers(2, 3, 4, seed=1), torch.ones(2, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = masked_patch_error(pred, target.float(), mask)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(slow(pred, target, mask), rel=1e-5)


def test_statistics_of_a_patch():
    patches = numbers(2, 3, 5)
    mean, std = patch_statistics(patches)
    values = patches[1, 2].tolist()
    center = sum(values) / 5
    variance = sum((v - center) ** 2 for v in values) / 4
    assert mean[1, 2].item() == pytest.approx(center)
    assert std[1, 2].item() == pytest.approx(math.sqrt(variance + 1e-6))


def test_patches_are_row_by_row_and_channels_vary_fastest():
    images = numbers(2, 3, 6, 4)
    patches = patchify(images, 2)
    assert patches.shape == (2, 6, 12)
    for row in range(3):
        for column in range(2):
            expected = [
                images[1, c, 2 * row + y, 2 * column + x].item()
                for y in range(2)
                for x in range(2)
                for c in range(3)
            ]
            assert patches[1, row * 2 + column].tolist() == expected
    assert torch.equal(unpatchify(patches, 2, (3, 2)), images)
    with pytest.raises(ArgumentError, match="6 x 4 pixels"):
        patchify(images, 4)


def test_a_mask_of_patches_covers_their_pixels():
    mask = torch.tensor([[1.0, 0, 0, 1, 0, 0]])
    assert pixel_mask(mask, 2, (3, 2))[0, 0].tolist() == [
        [1, 1, 0, 0],
        [1, 1, 0, 0],
        [0, 0, 1, 1],
        [0, 0, 1, 1],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
    ]
