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
    for name in ("RandomCrop", "RandomAffine", "RandAugment"):
        assert PIPELINES.get(name) is getattr(torchvision.transforms, name)
    for name in ("RandomResizedCrop", "Resize", "ColorJitter", "Normalize"):
        assert issubclass(PIPELINES.get(name), getattr(torchvision.transforms, name))
    assert PIPELINES.get("GaussianBlur") is GaussianBlur
    assert PIPELINES.get("ToTensor") is ToTensor
    assert PIPELINES.get("InterpolationMode") is None
    assert build("Resize", size=8, interpolation=3)(noise()).size == (9, 8)  # as MAE's config


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
