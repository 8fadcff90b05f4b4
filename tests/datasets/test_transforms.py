"""Transforms do what their papers say: against formulas, and in distribution."""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from mmcv.utils import build_from_cfg
from PIL import Image

from mmselfsup.datasets import PIPELINES
from mmselfsup.datasets.pipelines import (
    BEiTMaskGenerator,
    GaussianBlur,
    Lighting,
    MaskFeatMaskGenerator,
    RandomAppliedTrans,
    SimMIMMaskGenerator,
    Solarization,
    ToTensor,
)
from mmselfsup.datasets.pipelines.transforms import RandomResizedCropAndInterpolationWithTwoPic
from mmselfsup.utils.errors import UserError


def build(name: str, **kwargs: Any) -> Any:
    return build_from_cfg(dict(type=name, **kwargs), PIPELINES)


def noise(height: int = 33, width: int = 41) -> Image.Image:
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3)).astype(np.uint8))


def share_changed(transform: Any, img: Image.Image, tries: int = 400) -> float:
    return float(np.mean([transform(img) is not img for _ in range(tries)]))


def test_torchvision_transforms_have_their_own_names() -> None:
    for name in ("RandomResizedCrop", "Resize", "ColorJitter", "Normalize", "RandAugment"):
        assert PIPELINES.get(name) is getattr(torchvision.transforms, name)
    assert PIPELINES.get("GaussianBlur") is GaussianBlur
    assert PIPELINES.get("ToTensor") is ToTensor
    assert PIPELINES.get("InterpolationMode") is None
    assert build("Resize", size=8, interpolation=3)(noise()).size == (9, 8)  # as MAE's config


# ---- blur


def test_blur_is_a_gaussian() -> None:
    sigma, reach = 1.7, 12
    offsets = np.arange(-reach, reach + 1)
    kernel = np.exp(-(offsets**2) / (2 * sigma**2))
    kernel /= kernel.sum()
    img = noise()
    padded = np.pad(np.asarray(img, dtype=float), ((reach,) * 2, (reach,) * 2, (0, 0)), "edge")
    rows = sum(k * padded[i : i + 33] for i, k in enumerate(kernel))
    both = sum(k * rows[:, i : i + 41] for i, k in enumerate(kernel))
    blurred = GaussianBlur(sigma, sigma, p=1)(img)
    assert blurred.mode == "RGB"
    assert np.abs(np.asarray(blurred) - both).max() <= 1.5


def test_blur_draws_its_width_uniformly() -> None:
    img = Image.fromarray(np.pad([[[255] * 3]], ((20, 20), (20, 20), (0, 0))).astype(np.uint8))
    transform = GaussianBlur(1.0, 3.0, p=1.0)
    # the peak of a blurred point is 255 / (2 pi sigma^2), so it tells sigma
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


# ---- colours


def test_solarization() -> None:
    img = noise()
    values = np.asarray(img)
    turned = np.asarray(Solarization(threshold=100, p=1)(img))
    np.testing.assert_array_equal(turned, np.where(values >= 100, 255 - values, values))
    assert share_changed(Solarization(p=0.2), img) == pytest.approx(0.2, abs=0.07)
    assert share_changed(Solarization(p=0.0), img) == 0


def test_lighting_steps_along_the_principal_colors() -> None:
    vectors = np.array(
        [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
    )
    values = np.array([0.2175, 0.0188, 0.0045])
    img = torch.rand(3, 5, 4)
    steps = torch.stack([Lighting(0.1)(img) - img for _ in range(4000)])  # [n, 3, 5, 4]
    assert steps.std(dim=(2, 3)).max() < 1e-6  # the same step for all pixels
    covariance = np.cov(steps[:, :, 0, 0].numpy().T)
    wanted = vectors @ np.diag((0.1 * values) ** 2) @ vectors.T
    np.testing.assert_allclose(covariance, wanted, atol=0.06 * wanted.max())
    assert torch.equal(Lighting(0)(img), img)
    lit = Lighting(0.5)(noise())
    assert isinstance(lit, Image.Image)
    assert lit.size == noise().size


# ---- groups and tensors


def test_random_applied_trans() -> None:
    transform = RandomAppliedTrans([dict(type="Solarization", p=1.0)], p=0.8)
    assert share_changed(transform, noise()) == pytest.approx(0.8, abs=0.07)
    both = RandomAppliedTrans([dict(type="Resize", size=8), dict(type="ToTensor")], p=1.0)
    assert both(noise()).shape == (3, 8, 9)


def test_to_tensor() -> None:
    img = noise()
    tensor = ToTensor()(img)
    np.testing.assert_allclose(tensor.numpy(), np.asarray(img).transpose(2, 0, 1) / 255, atol=1e-6)
    several = ToTensor()((img, img))
    assert len(several) == 2
    assert torch.equal(several[1], tensor)


def test_two_pictures_of_one_crop() -> None:
    kind = RandomResizedCropAndInterpolationWithTwoPic
    first, second = kind(32, second_size=16)(noise(64, 64))
    assert (first.size, second.size) == ((32, 32), (16, 16))
    whole = kind(32, 16, scale=(1, 1), ratio=(1, 1), interpolation="bicubic")(noise(64, 64))
    assert whole[0].tobytes() == noise(64, 64).resize((32, 32), Image.BICUBIC).tobytes()
    assert whole[1].tobytes() == noise(64, 64).resize((16, 16), Image.LANCZOS).tobytes()
    assert kind((20, 30), interpolation="random")(noise(64, 64)).size == (30, 20)
    with pytest.raises(ValueError, match="got cubic"):
        kind(32, interpolation="cubic")


# ---- masks


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
    assert total.min() > 0  # every patch is masked sometimes
    # blocks: a masked patch has more masked neighbours than chance would give it
    beside = (mask[:, 1:] & mask[:, :-1]).sum() / mask[:, 1:].sum()
    assert beside > 1.3 * wanted / 196


def test_block_sizes_and_shapes() -> None:
    generator = BEiTMaskGenerator(20, 60, 60, 60, min_aspect=0.25)  # one block of 60 patches
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


# ---- timm


def test_random_aug_without_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.setitem(sys.modules, "timm.data", None)
    with pytest.raises(UserError, match="pip install timm"):
        build("RandomAug", input_size=224)


def test_random_aug_passes_on_what_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def create_transform(**kwargs: Any) -> Any:
        seen.update(kwargs)
        return str.upper

    data = types.ModuleType("timm.data")
    data.create_transform = create_transform  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "timm", types.ModuleType("timm"))
    monkeypatch.setitem(sys.modules, "timm.data", data)
    transform = build("RandomAug", input_size=224, auto_augment="rand-m9", re_prob=0.25)
    assert transform("img") == "IMG"
    assert seen == dict(
        is_training=True,
        input_size=224,
        color_jitter=None,
        auto_augment="rand-m9",
        re_prob=0.25,
    )


def test_transforms_print_their_arguments() -> None:
    assert repr(GaussianBlur(0.1, 2.0)) == "GaussianBlur(sigma_min=0.1, sigma_max=2.0, p=0.5)"
    for transform in (
        RandomAppliedTrans([dict(type="ToTensor")]),
        SimMIMMaskGenerator(),
        BEiTMaskGenerator(14, 75),
        MaskFeatMaskGenerator(),
        RandomResizedCropAndInterpolationWithTwoPic(8),
    ):
        assert repr(transform).startswith(type(transform).__name__)
