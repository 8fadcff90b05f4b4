"""8-bit transforms do what torchvision's do on PIL images: same draws, nearly the same pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torchvision.transforms as T
from mmcv.utils import build_from_cfg
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torchvision.transforms import functional as F

from mmselfsup.datasets import PIPELINES
from mmselfsup.datasets.pipelines import GaussianBlur, Solarization
from mmselfsup.datasets.pipelines.compose import build_pipeline

Array = NDArray[np.uint8]


def build(name: str, **kwargs: Any) -> Any:
    return build_from_cfg(dict(type=name, **kwargs), PIPELINES)


def photo(height: int = 120, width: int = 160, seed: int = 0) -> Array:
    """Something like a photograph: large and small structure, all colours, some noise."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for size in (3, 9, 30):
        coarse = rng.integers(0, 256, (size, size, 3)).astype(np.uint8)
        total += np.asarray(Image.fromarray(coarse).resize((width, height), 3), float) / 3
    total = (total - 128) * 1.7 + 128 + rng.normal(0, 6, total.shape)
    return np.clip(total, 0, 255).astype(np.uint8)


def difference(one: Any, other: Any) -> NDArray[np.int64]:
    return np.abs(np.asarray(one, dtype=int) - np.asarray(other, dtype=int))


def both(fast: Any, slow: Any, seed: int, pixels: Array) -> tuple[Array, Array]:
    """The result of both with equal draws; they must also leave the generator equal."""
    torch.manual_seed(seed)
    result, state = fast(pixels), torch.get_rng_state()
    assert isinstance(result, np.ndarray)
    torch.manual_seed(seed)
    wanted = np.asarray(slow(Image.fromarray(pixels)))
    assert torch.equal(state, torch.get_rng_state())
    assert result.shape == wanted.shape
    return result, wanted


# Name, arguments; largest mean error and largest error in grey levels.
PAIRS: list[tuple[str, dict[str, Any], float, int]] = [
    ("RandomResizedCrop", dict(size=48), 0.02, 1),
    ("RandomResizedCrop", dict(size=200, scale=(0.02, 1.0)), 0.02, 1),
    ("RandomResizedCrop", dict(size=(40, 60), ratio=(0.2, 5.0), interpolation=3), 0.3, 3),
    ("RandomResizedCrop", dict(size=40, interpolation=0), 0, 0),
    ("Resize", dict(size=50), 0.02, 1),
    ("Resize", dict(size=(70, 60)), 0.02, 1),
    ("Resize", dict(size=170), 0.02, 1),
    ("Resize", dict(size=50, max_size=55), 0, 0),
    ("CenterCrop", dict(size=77), 0, 0),
    ("CenterCrop", dict(size=(130, 100)), 0, 0),
    ("RandomHorizontalFlip", dict(), 0, 0),
    ("RandomVerticalFlip", dict(p=0.3), 0, 0),
    ("RandomRotation", dict(degrees=(90, 90)), 0, 0),
    ("RandomRotation", dict(degrees=30, fill=7), 0, 0),
    ("RandomGrayscale", dict(p=0.5), 0.05, 1),
    ("ColorJitter", dict(brightness=0.8), 0.1, 1),
    ("ColorJitter", dict(contrast=0.8), 0.05, 3),
    ("ColorJitter", dict(saturation=0.8), 0.3, 3),
    ("ColorJitter", dict(hue=0.5), 2.0, 25),
    ("ColorJitter", dict(brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2), 2.0, 30),
]


@pytest.mark.parametrize(("name", "kwargs", "mean", "most"), PAIRS)
def test_equal_draws_give_nearly_equal_pixels(
    name: str, kwargs: dict[str, Any], mean: float, most: int
) -> None:
    """Also covers frequencies of flips and grey images, ranges and order: draws are equal."""
    fast, slow = build(name, **kwargs), getattr(T, name)(**kwargs)
    errors, moments = [], []
    for seed in range(25):
        result, wanted = both(fast, slow, seed, photo(seed=seed % 3))
        errors.append(difference(result, wanted))
        assert errors[-1].mean() <= mean
        moments.append((result.mean() - wanted.mean(), result.std() - wanted.std()))
    assert max(int(e.max()) for e in errors) <= most
    # no drift: brightness and contrast of an average image are those of the slow way
    assert np.abs(np.mean(moments, axis=0)).max() <= max(0.02, 0.6 * mean)


@pytest.mark.parametrize("square", [False, True])
@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_quarter_turns(angle: int, square: bool) -> None:
    pixels = photo(60, 60) if square else photo(60, 80)
    kwargs = dict(degrees=(angle, angle))
    result, wanted = both(build("RandomRotation", **kwargs), T.RandomRotation(**kwargs), 0, pixels)
    np.testing.assert_array_equal(result, wanted)


def test_crops_are_those_of_torchvision() -> None:
    sizes = [(450, 600), (64, 64), (30, 900), (900, 30)]
    for scale, ratio in [((0.08, 1.0), (3 / 4, 4 / 3)), ((0.9, 1.0), (0.9, 1.1))]:
        fast = build("RandomResizedCrop", size=8, scale=scale, ratio=ratio)
        for seed in range(200):
            height, width = sizes[seed % len(sizes)]
            torch.manual_seed(seed)
            drawn = fast.sample_params(height, width)
            torch.manual_seed(seed)
            image = torch.empty(3, height, width)
            assert drawn == T.RandomResizedCrop.get_params(image, list(scale), list(ratio))


@pytest.mark.parametrize("factor", [0.0, 0.3, 1.0, 1.4, 2.5])
def test_each_colour_with_a_given_strength(factor: float) -> None:
    pixels, image = photo(), Image.fromarray(photo())
    span = (factor, factor)
    for name, function in (
        ("brightness", F.adjust_brightness),
        ("contrast", F.adjust_contrast),
        ("saturation", F.adjust_saturation),
    ):
        errors = difference(build("ColorJitter", **{name: span})(pixels), function(image, factor))
        assert errors.mean() <= 0.6
        assert errors.max() <= max(1.0, 2 * factor)
    if factor <= 1:
        hue = factor - 0.5
        turned = build("ColorJitter", hue=(hue, hue))(pixels)
        assert difference(turned, F.adjust_hue(image, hue)).mean() <= 2.0


def test_hue_is_nearer_to_the_exact_turn_than_pillow() -> None:
    import colorsys

    pixels = photo(40, 40)
    exact = np.empty(pixels.shape)
    for at in np.ndindex(40, 40):
        h, s, v = colorsys.rgb_to_hsv(*(pixels[at] / 255))
        exact[at] = 255 * np.array(colorsys.hsv_to_rgb((h + 0.3) % 1, s, v))
    ours = np.abs(build("ColorJitter", hue=(0.3, 0.3))(pixels) - exact).mean()
    pillows = np.abs(np.asarray(F.adjust_hue(Image.fromarray(pixels), 0.3)) - exact).mean()
    assert ours <= pillows


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.0])
def test_blur_on_arrays_is_that_on_images(sigma: float) -> None:
    pixels, blur = photo(), GaussianBlur(sigma, sigma, p=1)
    blurred = blur(pixels)
    np.testing.assert_array_equal(blurred, np.asarray(blur(Image.fromarray(pixels))))
    pillows = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(sigma))
    assert difference(blurred, pillows).mean() <= 1.2  # boxes instead of a Gaussian
    assert abs(blurred.mean() - np.asarray(pillows).mean()) <= 0.6


def test_solarization_on_arrays() -> None:
    pixels = photo()
    turned = np.where(pixels >= 128, 255 - pixels, pixels)
    np.testing.assert_array_equal(Solarization(p=1)(pixels), turned)


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize(("name", "kwargs", "mean", "most"), PAIRS)
def test_an_image_gives_an_image_and_an_array_an_array(
    mode: str, name: str, kwargs: dict[str, Any], mean: float, most: int
) -> None:
    image, transform = Image.fromarray(photo()).convert(mode), build(name, **kwargs)
    pixels = np.asarray(image)  # read-only
    for seed in range(3):
        torch.manual_seed(seed)
        from_image = transform(image)
        torch.manual_seed(seed)
        from_pixels = transform(pixels)
        assert from_image.mode == mode
        np.testing.assert_array_equal(np.asarray(from_image), from_pixels)
    np.testing.assert_array_equal(pixels, np.asarray(Image.fromarray(photo()).convert(mode)))


def test_tensors_and_other_modes_are_left_to_torchvision() -> None:
    crop = build("CenterCrop", size=8)
    assert crop(torch.zeros(3, 9, 9)).shape == (3, 8, 8)
    assert crop(Image.new("RGBA", (9, 9))).mode == "RGBA"


def test_to_tensor_and_normalize_are_one_pass_with_the_same_bits() -> None:
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    pair = build_pipeline([dict(type="ToTensor"), dict(type="Normalize", mean=mean, std=std)])
    image = Image.fromarray(photo(31, 41))
    wanted = F.normalize(F.to_tensor(image), mean, std)
    assert torch.equal(pair(image), wanted)
    assert torch.equal(pair(photo(31, 41)), wanted)
    assert torch.equal(build("ToTensor")(photo(31, 41)), F.to_tensor(image))
    assert pair(photo(31, 41)).is_contiguous()
    grey = image.convert("L")
    one = build_pipeline([dict(type="ToTensor"), dict(type="Normalize", mean=[0.5], std=[0.2])])
    assert torch.equal(one(np.array(grey)), F.normalize(F.to_tensor(grey), [0.5], [0.2]))


def test_transforms_of_others_get_pil_images_in_a_pipeline() -> None:
    seen: list[Any] = []

    class Foreign:
        def __call__(self, img: Any) -> Any:
            seen.append(img)
            return img

    pipeline = build_pipeline([dict(type="Resize", size=20), dict(type="RandomHorizontalFlip")])
    pipeline.transforms.insert(1, Foreign())
    assert isinstance(pipeline(photo()), np.ndarray)
    assert isinstance(pipeline(Image.fromarray(photo())), Image.Image)
    assert all(isinstance(img, Image.Image) and img.size == (26, 20) for img in seen)
