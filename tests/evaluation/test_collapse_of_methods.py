"""The alarm of a collapse is silent for a method as it is, and sounds where it is made to collapse.

A tiny transformer is trained for a few steps on waves of different frequency and colour.
"""

import copy
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from mmselfsup.core.hooks.frozen_features_hook import isolated_eval
from mmselfsup.evaluation.collapse import CollapseMetrics, collapse_metrics, see_views
from mmselfsup.models import ALGORITHMS, build_algorithm
from mmselfsup.models.algorithms.base import FAMILIES
from mmselfsup.models.utils import ExtractProcess
from tests.contract.tiny_models import TINY, VIT

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
SWAV: dict[str, Any] = dict(
    type="SwAV",
    backbone=VIT | dict(with_cls_token=False, output_cls_token=False),
    neck=dict(type="SwAVNeck", in_channels=32, hid_channels=0, out_channels=16),
    head=dict(type="SwAVHead", feat_dim=16, num_crops=[2, 2], num_prototypes=20),
)
SIMCLR: dict[str, Any] = dict(
    type="SimCLR", backbone=VIT, neck=NECK, head=dict(type="ContrastiveHead", temperature=0.2)
)
VICREG: dict[str, Any] = dict(type="VICReg", backbone=VIT, neck=NECK, head=dict(type="VICRegHead"))
IJEPA: dict[str, Any] = dict(
    type="IJEPA",
    backbone=VIT | dict(type="IJEPAViT"),
    neck=dict(
        type="IJEPAPredictor",
        num_patches=16,
        embed_dim=32,
        predictor_embed_dim=16,
        depth=1,
        num_heads=2,
    ),
    head=dict(type="IJEPAHead"),
    base_momentum=0.99,
    masks=dict(min_context=2),
)


class Case(NamedTuple):
    """A method, and what makes it collapse.

    Attributes:
        cfg: Config of the method.
        spoilt: Changes of the config.
        steps: Steps of a training.
        rate: Learning rate of the spoilt method.
    """

    cfg: dict[str, Any]
    spoilt: dict[str, Any]
    steps: int = 60
    rate: float = 1e-3


#: At least one of each family; pretext tasks and distillation have targets that can't collapse.
METHODS = {
    # Similarities divided by so much say nothing.
    "SimCLR": Case(
        SIMCLR,
        dict(head=dict(type="ContrastiveHead", temperature=1e4)),
        steps=25,
        rate=0.01,
    ),
    "DINO": Case(DINO, dict(head=DINO["head"] | FLAT)),
    "IBOT": Case(IBOT, dict(head=IBOT["head"] | FLAT)),
    # KoLeo alone prevents it.
    "DINOv2": Case(DINOV2, dict(head=IBOT["head"] | FLAT, koleo_weight=0.0)),
    # Codes that are the same for all prototypes.
    "SwAV": Case(SWAV, dict(head=SWAV["head"] | dict(epsilon=10.0)), steps=25, rate=0.01),
    # Invariance alone.
    "VICReg": Case(
        VICREG,
        dict(head=dict(type="VICRegHead", variance_weight=0.0, covariance_weight=0.0)),
        steps=25,
        rate=0.01,
    ),
    # The target is the context encoder itself, and moves fast.
    "IJEPA": Case(IJEPA, dict(base_momentum=0.0), steps=25, rate=0.1),
    # A learning rate that ruins the encoder: the decoder alone lowers the loss.
    "MAE": Case(TINY["MAE"].cfg, {}, steps=25, rate=0.1),
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


def batch_of(images: Tensor, cfg: dict[str, Any], generator: torch.Generator) -> Any:
    """What a method takes: images, two views, or four crops, the large ones maybe with masks."""
    if cfg["type"] in ("IJEPA", "MAE"):
        return images
    if cfg["type"] in ("SimCLR", "VICReg"):
        return [noisy(images, 32, generator) for _ in range(2)]
    views: list[Any] = [noisy(images, side, generator) for side in (32, 32, 16, 16)]
    if "IBOT" in str(cfg["head"]["type"]):
        masks = torch.rand(2, len(images), 4, 4, generator=generator) < 0.3
        views[:2] = list(zip(views[:2], masks, strict=True))
    return views


def trained(cfg: dict[str, Any], steps: int, rate: float = 1e-3) -> CollapseMetrics:
    """Train, and measure as the monitor does."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    model = build_algorithm(copy.deepcopy(cfg))
    model.init_weights()
    params = [param for param in model.parameters() if param.requires_grad]
    optimizer = torch.optim.AdamW(params, lr=rate, weight_decay=0.04)
    images = waves(64, generator)
    for _ in range(steps):
        batch = images[torch.randperm(64, generator=generator)[:32]]
        out = model.train_step({"img": batch_of(batch, cfg, generator)})
        out["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()
        if model.momentum_pairs():
            model.momentum_update()
    with isolated_eval(model) as module:
        features = ExtractProcess().extract_batch(module, img=images)["feat"]
        pair = noisy(images, 32, generator), noisy(images, 32, generator)
        return collapse_metrics(features, *see_views(module, pair))


@pytest.mark.parametrize("name", METHODS)
def test_silent_by_default_and_loud_where_it_must_collapse(name: str) -> None:
    case = METHODS[name]
    assert trained(case.cfg, case.steps).collapse_reason() is None
    reason = trained(case.cfg | case.spoilt, case.steps, case.rate).collapse_reason()
    assert reason is not None
    if case.cfg["type"] in ("DINO", "IBOT", "DINOv2"):
        assert "the projections hardly differ between images" in reason


def test_every_family_that_can_collapse_is_here() -> None:
    families = {ALGORITHMS.get(case.cfg["type"]).family for case in METHODS.values()}
    assert families == set(FAMILIES) - {"pretext task", "distillation"}
