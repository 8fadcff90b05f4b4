"""With ``channel_order='bgr'`` every view is that of RGB with its channels exchanged."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mmselfsup.datasets.batched.pipeline import build_batched_pipelines
from mmselfsup.datasets.builder import build_dataset
from mmselfsup.datasets.data_sources.decode import ImageReader
from mmselfsup.datasets.pipelines.channel_order import exchange_channels
from mmselfsup.datasets.pipelines.compose import build_pipeline
from mmselfsup.utils.errors import ArgumentError
from tests.datasets.batched_views import BYOL, SIMCLR, Config, photo

PHOTO = photo(60, 70, seed=1)
MEAN, STD = [0.7, 0.5, 0.3], [0.2, 0.3, 0.4]
TO_TENSOR = dict(type="ToTensor")
JITTER = {**SIMCLR, "hue": 0}  # a turned hue is rounded otherwise for other channels
LESION = dict(type="RotatedCrop", size=32, scale=(0.2, 0.4), least_lesion=0.9)
STEPS: dict[str, list[Config]] = {
    "jitter": [JITTER, TO_TENSOR],
    "hue": [dict(type="ColorJitter", hue=(0.2, 0.2)), TO_TENSOR],
    "grey": [dict(type="RandomGrayscale", p=1.0), TO_TENSOR],
    "torchvision's grey": [dict(type="Grayscale", num_output_channels=3), TO_TENSOR],
    "group": [dict(type="RandomAppliedTrans", transforms=[JITTER], p=1.0), TO_TENSOR],
    "policy": [dict(type="RandAugment", num_ops=4), TO_TENSOR],
    "lighting": [TO_TENSOR, dict(type="Lighting", alphastd=0.5)],
    "lesion": [LESION, TO_TENSOR],
}


def normalize(order: str) -> Config:
    """Statistics in the order of the channels."""
    step = 1 if order == "rgb" else -1
    return dict(type="Normalize", mean=MEAN[::step], std=STD[::step])


def view(steps: list[Config], order: str, image: Any = PHOTO) -> Any:
    """A view of the image with its channels in this order."""
    torch.manual_seed(3)
    return build_pipeline(steps, order)(image if order == "rgb" else exchange_channels(image))


@pytest.mark.parametrize("kind", ["array", "PIL"])
@pytest.mark.parametrize("name", STEPS)
def test_view_of_bgr_is_that_of_rgb_exchanged(name: str, kind: str) -> None:
    image: Any = PHOTO if kind == "array" else Image.fromarray(PHOTO)
    rgb, bgr = (view([*STEPS[name], normalize(order)], order, image) for order in ("rgb", "bgr"))
    torch.testing.assert_close(bgr.flip(0), rgb)


def test_located_view() -> None:
    def located(order: str) -> Any:
        steps = [JITTER, dict(type="RandomGrayscale", p=0.5), TO_TENSOR, normalize(order)]
        return view([dict(type="LocatedView", size=32, transforms=steps)], order)

    (rgb, way), (bgr, same_way) = located("rgb"), located("bgr")
    torch.testing.assert_close(bgr.flip(0), rgb)
    assert torch.equal(way, same_way)


def test_chain_of_timm() -> None:
    pytest.importorskip("timm")
    step = dict(type="RandomAug", input_size=32, color_jitter=0.4, auto_augment="rand-m9-inc1")

    def chain(order: str) -> Any:
        np.random.seed(0)
        random.seed(0)
        turn = 1 if order == "rgb" else -1
        image = Image.fromarray(PHOTO)
        return view([{**step, "mean": MEAN[::turn], "std": STD[::turn]}], order, image)

    torch.testing.assert_close(chain("bgr").flip(0), chain("rgb"))


def test_batched_views() -> None:
    crop = dict(type="RandomResizedCrop", size=32)

    def batched(order: str) -> Any:
        steps = [crop, *BYOL, TO_TENSOR, normalize(order)]
        pipeline = build_batched_pipelines([build_pipeline(steps, order)])[0]
        torch.manual_seed(5)
        params = torch.tensor([pipeline.sample_params(60, 70) for _ in range(8)])
        pixels = torch.from_numpy(PHOTO)[None].repeat(8, 1, 1, 1)
        return pipeline.apply(pixels if order == "rgb" else pixels.flip(-1), params)

    torch.testing.assert_close(batched("bgr").flip(1), batched("rgb"))


def test_datasets_take_the_order_of_their_source(image_folder: Path, image_list: Path) -> None:
    steps = [dict(type="RandomGrayscale", p=1.0), TO_TENSOR]

    def samples(order: str) -> list[Any]:
        source = dict(
            type="ImageList", data_prefix=str(image_folder), ann_file=str(image_list),
            channel_order=order,
        )  # fmt: skip
        single = build_dataset(dict(type="SingleViewDataset", data_source=source, pipeline=steps))
        many = dict(type="MultiViewDataset", data_source=source, num_views=[1], pipelines=[steps])
        return [single[0]["img"], *build_dataset(many)[0]["img"]]

    for rgb, bgr in zip(samples("rgb"), samples("bgr"), strict=True):
        assert torch.equal(rgb, bgr)  # grey


def test_exchange_of_unchanged_images_is_refused() -> None:
    with pytest.raises(ArgumentError, match="'bgr' has no effect with color_type='unchanged'"):
        ImageReader("unchanged", "bgr", dict(backend="disk"))
