"""Statistics of bytes are refused where the values are in 0..1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from mmselfsup.datasets import build_dataloader
from mmselfsup.datasets.batched.pipeline import build_batched_pipelines
from mmselfsup.datasets.pipelines.compose import build_pipeline
from mmselfsup.datasets.pipelines.formatting import check_statistics
from mmselfsup.datasets.registry import PIPELINES
from mmselfsup.datasets.utils import PrefetchLoader
from mmselfsup.utils.errors import ArgumentError

BYTES = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
UNIT = dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])


@pytest.mark.parametrize("between", [[], [dict(type="RandomErasing")]])
def test_bytes_behind_to_tensor(between: list[Any]) -> None:
    build_pipeline([dict(type="ToTensor"), *between, dict(type="Normalize", **UNIT)])
    with pytest.raises(ArgumentError, match=r"123\.675.*: divide them by 255"):
        build_pipeline([dict(type="ToTensor"), *between, dict(type="Normalize", **BYTES)])


def test_a_step_of_the_user_may_scale_the_values() -> None:
    class TimesTwoFiftyFive:
        def __call__(self, img: Any) -> Any:
            return img * 255

    PIPELINES.register_module(module=TimesTwoFiftyFive)
    try:
        steps = [dict(type=t) for t in ("ToTensor", "TimesTwoFiftyFive")]
        build_pipeline([*steps, dict(type="Normalize", **BYTES)])
    finally:
        PIPELINES.module_dict.pop("TimesTwoFiftyFive")


def test_bytes_for_prefetch() -> None:
    with pytest.raises(ArgumentError, match="divide them by 255"):
        build_dataloader([0], 1, workers_per_gpu=0, prefetch=True, img_norm_cfg=BYTES)


@pytest.mark.parametrize("mean", [float("nan"), ["0.5"] * 2 + ["x"], "abc", [None], [0.5, np.inf]])
def test_what_is_no_number_is_refused(mean: Any) -> None:
    with pytest.raises(ArgumentError, match=r"mean=.*: give a finite number"):
        check_statistics(mean, 0.2)
    with pytest.raises(ArgumentError, match=r"std=.*: give a finite number"):
        check_statistics(0.5, mean)


def test_a_deviation_that_was_divided_twice_is_refused() -> None:
    with pytest.raises(ArgumentError, match="divided by 255 twice"):
        build_pipeline([dict(type="ToTensor"), dict(type="Normalize", mean=[0.002], std=[9e-4])])


@pytest.mark.parametrize("std", [0.0, [0.2, 0.0, 0.2], [0.2, -0.1, 0.2]])
def test_a_deviation_of_zero_is_refused(std: float | list[float]) -> None:
    with pytest.raises(ArgumentError, match="a standard deviation must be above 0"):
        check_statistics(0.5, std)


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    ("step", "told"),
    [
        (dict(type="Normalize", **UNIT), "Normalize is there twice"),
        (dict(type="ColorJitter", brightness=0.4), "ColorJitter stands behind Normalize"),
        (dict(type="Solarization"), "Solarization stands behind Normalize"),
        (dict(type="RandomAutocontrast"), "RandomAutocontrast stands behind Normalize"),
        (dict(type="ToTensor"), "ToTensor stands behind Normalize"),
    ],
)
def test_steps_that_cut_normalised_values_off(
    step: dict[str, Any], told: str, wrapped: bool
) -> None:
    """torchvision's jitter clips to 0..1, without a word: half of a normalised image is lost."""
    start = [dict(type="ToTensor"), dict(type="Normalize", **UNIT)]
    last = dict(type="RandomAppliedTrans", transforms=[step], p=0.5) if wrapped else step
    with pytest.raises(ArgumentError, match=told):
        build_pipeline([*start, last])
    erased = dict(type="RandomErasing")
    build_pipeline(
        [*start, erased, dict(type="RandomHorizontalFlip"), dict(type="RandomCrop", size=8)]
    )


def test_a_mean_below_zero_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"mean=\[-0\.5.*values in 0\.\.1 have none below 0"):
        check_statistics([-0.5] * 3, [0.2] * 3)


def test_one_number_normalises_all_channels() -> None:
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    one = build_pipeline([dict(type="ToTensor"), dict(type="Normalize", mean=0.5, std=0.25)])
    three = dict(type="Normalize", mean=[0.5] * 3, std=[0.25] * 3)
    many = build_pipeline([dict(type="ToTensor"), three])
    np.testing.assert_array_equal(one(image), many(image))


@pytest.mark.parametrize(
    ("mean", "std"), [([0.3, 0.5, 0.7], 0.2), ([0.3, 0.5, 0.7], [0.2]), (0.5, [0.1, 0.2, 0.3])]
)
def test_one_number_for_all_channels(mean: Any, std: Any) -> None:
    """It is repeated: in one pass over bytes, for a tensor, in batches and in the loader."""
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    unit = torch.from_numpy(pixels / 255).float().permute(2, 0, 1)  # [3, 8, 8]
    shift, scale = (torch.tensor(v).view(-1, 1, 1) for v in (mean, std))
    wanted = (unit - shift) / scale
    step = dict(type="Normalize", mean=mean, std=std)
    chain: Any = build_pipeline([dict(type="ToTensor"), step])
    torch.testing.assert_close(chain(pixels), wanted)
    torch.testing.assert_close(build_pipeline([step])(unit), wanted)
    crop = dict(type="RandomResizedCrop", size=8, scale=(1, 1), ratio=(1, 1))
    batched = build_batched_pipelines([build_pipeline([crop, dict(type="ToTensor"), step])])[0]
    params = torch.tensor([batched.sample_params(8, 8)])
    torch.testing.assert_close(batched.apply(torch.from_numpy(pixels)[None], params)[0], wanted)
    batches = [{"img": torch.from_numpy(pixels).permute(2, 0, 1)[None]}]
    loaded = next(iter(PrefetchLoader(batches, mean, std, torch.device("cpu"))))
    torch.testing.assert_close(loaded["img"][0], wanted)


def test_other_numbers_of_channels_are_refused() -> None:
    with pytest.raises(ArgumentError, match="are for 3 and 2 channels"):
        build_pipeline([dict(type="Normalize", mean=[0.5] * 3, std=[0.2] * 2)])


def test_prefetched_images_of_other_channels_are_named() -> None:
    batches = [{"img": torch.zeros(2, 1, 4, 4, dtype=torch.uint8)}]
    with pytest.raises(ArgumentError, match=r"is for 3 channels, the images have 1: .* color_type"):
        next(iter(PrefetchLoader(batches, [0.5] * 3, [0.2] * 3, torch.device("cpu"))))
