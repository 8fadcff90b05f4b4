"""The alarm of a collapse is silent for a method as it is, and sounds where it is made to collapse.

A tiny transformer is trained for a few steps on waves of different frequency and colour.
"""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from mmselfsup.core.hooks.frozen_features_hook import isolated_eval
from mmselfsup.evaluation.collapse import CollapseMetrics, collapse_metrics, see_views
from mmselfsup.models import build_algorithm
from mmselfsup.models.utils import ExtractProcess
from tests.contract.tiny_models import VIT

NECK = dict(
    type="DINONeck", in_channels=32, hid_channels=32, bottleneck_channels=16, out_channels=32
)
DINO: dict[str, Any] = dict(
    type="DINO",
    backbone=VIT,
    neck=NECK,
    head=dict(type="DINOHead", feat_dim=32),
    base_momentum=0.95,
)
IBOT: dict[str, Any] = DINO | dict(
    type="IBOT",
    backbone={**VIT, "type": "IBOTViT"},
    head=dict(type="IBOTHead", feat_dim=32),
)
DINOV2: dict[str, Any] = IBOT | dict(
    type="DINOv2", head=dict(type="IBOTHead", feat_dim=32, centring="sinkhorn")
)
#: Neither centring nor sharpening.
FLAT = dict(centring="none", teacher_temperature=1.0)
#: Name -> the config of a method, and the changes that make it collapse; KoLeo alone prevents it.
METHODS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "DINO": (DINO, dict(head=DINO["head"] | FLAT)),
    "IBOT": (IBOT, dict(head=IBOT["head"] | FLAT)),
    "DINOv2": (DINOV2, dict(head=IBOT["head"] | FLAT, koleo_weight=0.0)),
}


def waves(count: int, generator: torch.Generator) -> Tensor:
    """Images [count, 3, 32, 32]."""
    ramp = torch.linspace(0, 1, 32)
    colour = torch.rand(count, 3, 1, 1, generator=generator)
    frequency = 20 * torch.rand(count, 2, 1, 1, generator=generator)
    return colour + 0.5 * torch.sin(frequency[:, :1] * ramp + frequency[:, 1:] * ramp[:, None])


def noisy(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """A corner of each image with noise."""
    view = images[:, :, :side, :side]
    return view + 0.1 * torch.randn(view.shape, generator=generator)


def trained(cfg: dict[str, Any], steps: int = 60) -> CollapseMetrics:
    """Train, and measure as the monitor does."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    model = build_algorithm(copy.deepcopy(cfg))
    model.init_weights()
    params = [param for param in model.parameters() if param.requires_grad]
    optimizer = torch.optim.AdamW(params, lr=1e-3, weight_decay=0.04)
    images = waves(64, generator)
    for _ in range(steps):
        batch = images[torch.randperm(64, generator=generator)[:32]]
        views: list[Any] = [noisy(batch, side, generator) for side in (32, 32, 16, 16)]
        if cfg["type"] != "DINO":
            masks = torch.rand(2, 32, 4, 4, generator=generator) < 0.3
            views[:2] = list(zip(views[:2], masks, strict=True))
        out = model.train_step({"img": views})
        out["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()
        model.momentum_update()
    with isolated_eval(model) as module:
        features = ExtractProcess().extract_batch(module, img=images)["feat"]
        pair = noisy(images, 32, generator), noisy(images, 32, generator)
        return collapse_metrics(features, *see_views(module, pair))


@pytest.mark.parametrize("name", METHODS)
def test_silent_by_default_and_loud_where_it_must_collapse(name: str) -> None:
    cfg, spoilt = METHODS[name]
    assert trained(cfg).collapse_reason() is None
    reason = trained(cfg | spoilt).collapse_reason()
    assert reason is not None
    assert "the projections hardly differ between images" in reason
