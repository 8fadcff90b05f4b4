"""Views of generated photographs, made by the pipeline and by its batched counterpart."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torchvision.transforms as T
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from mmselfsup.datasets.batched.deferred import defer, join
from mmselfsup.datasets.batched.pipeline import BatchedPipeline, build_batched_pipelines
from mmselfsup.datasets.pipelines.compose import build_pipeline

Pixels = NDArray[np.uint8]
Config = dict[str, Any]

SIMCLR = dict(type="ColorJitter", brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2)
BYOL: list[Config] = [
    dict(type="RandomHorizontalFlip"),
    dict(type="RandomAppliedTrans", transforms=[SIMCLR], p=0.8),
    dict(type="RandomGrayscale", p=0.2),
    dict(type="GaussianBlur", sigma_min=0.1, sigma_max=2.0, p=0.5),
    dict(type="Solarization", p=0.2),
    dict(type="RandomVerticalFlip"),
]


def photo(height: int, width: int, seed: int) -> Pixels:
    """Something like a photograph: large and small structure, all colours, some noise."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for size in (3, 9, 30):
        coarse = rng.integers(0, 256, (size, size, 3)).astype(np.uint8)
        total += np.asarray(Image.fromarray(coarse).resize((width, height), 3), float) / 3
    total = (total - 128) * 1.7 + 128 + rng.normal(0, 6, total.shape)
    return np.clip(total, 0, 255).astype(np.uint8)


def photos(num: int) -> list[Pixels]:
    """``num`` photographs of different sizes."""
    return [photo(100 + 7 * (i % 5), 140 - 9 * (i % 4), i % 7) for i in range(num)]


def pipeline(steps: list[Config], end: list[Config] | None = None, **crop: Any) -> Any:
    """A pipeline from a crop to a tensor."""
    crop = {"type": "RandomResizedCrop", "size": 32, **crop}
    return build_pipeline([crop, *steps, *(end or [dict(type="ToTensor")])])


def batched_pipeline_of(chain: Any) -> BatchedPipeline:
    """The batched counterpart of a pipeline."""
    return build_batched_pipelines([chain])[0]


def slow_views(chain: Any, images: list[Pixels]) -> Tensor:
    """[N, 3, S, T] by the pipeline; image n under the seed n."""
    views = []
    for seed, image in enumerate(images):
        torch.manual_seed(seed)
        views.append(chain(image))
    return torch.stack(views)


def fast_views(chain: Any, images: list[Pixels]) -> Tensor:
    """As ``slow_views``, by the batched pipeline."""
    batched, samples = batched_pipeline_of(chain), []
    for seed, image in enumerate(images):
        torch.manual_seed(seed)
        samples.append(defer([image], [batched]))
    return join(samples).views([batched], torch.device("cpu"))[0]


def torchvision_views(transforms: list[Any], images: list[Pixels]) -> Tensor:
    """As ``slow_views``, by torchvision on PIL images."""
    chain, views = T.Compose([*transforms, T.ToTensor()]), []
    for seed, image in enumerate(images):
        torch.manual_seed(seed)
        views.append(chain(Image.fromarray(image)))
    return torch.stack(views)
