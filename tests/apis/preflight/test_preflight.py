"""The trial step before a training: on several ranks, with device_transforms, for all methods."""

import copy
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmcv import Config
from PIL import Image

from mmselfsup.apis.preflight import config_faults
from mmselfsup.apis.preflight.config_faults import report_cut_patches, try_step
from mmselfsup.datasets import build_dataloader, build_dataset
from mmselfsup.models import build_algorithm, build_backbone
from mmselfsup.utils import dist
from mmselfsup.utils.errors import UserError
from tests.contract.tiny_models import TINY
from tests.distributed.ranks import run_ranks

#: Methods whose forward pass reads values: see ``try_step``.
NEED_VALUES = {"InterCLRMoCo", "ODC", "SimMIM"}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Five images of noise, of two sizes."""
    (tmp_path / "images").mkdir()
    rng = np.random.default_rng(0)
    for i in range(5):
        pixels = rng.integers(0, 256, (40, 50 - 10 * (i % 2), 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{i}.png")
    return tmp_path / "images"


def loader_of(images: Path, fast: bool, batch: int = 4, **options: Any) -> Any:
    steps = [dict(type="RandomResizedCrop", size=32), dict(type="ToTensor")]
    dataset = dict(
        type="MultiViewDataset",
        data_source=dict(type="ImageList", data_prefix=str(images)),
        num_views=[2],
        pipelines=[steps],
        device_transforms=fast,
    )
    return build_dataloader(
        build_dataset(dataset), samples_per_gpu=batch, workers_per_gpu=0, **options
    )


def simclr(misfit: bool = False, norm: str = "BN") -> Config:
    model = copy.deepcopy(TINY["SimCLR"].cfg)
    model["backbone"]["norm_cfg"] = dict(type=norm)
    if misfit:
        model["neck"]["in_channels"] += 1
    return Config(dict(model=model))


@pytest.mark.parametrize("fast", [False, True])
def test_misfits_are_found(fast: bool, images: Path) -> None:
    loader = loader_of(images, fast)
    before = torch.get_rng_state()
    try_step(simclr(), loader)
    with pytest.raises(UserError, match="the parts don't fit each other"):
        try_step(simclr(misfit=True), loader)
    assert torch.equal(before, torch.get_rng_state())


def test_channels_that_the_backbone_does_not_take(images: Path) -> None:
    cfg = simclr()
    cfg.model.backbone.in_channels = 4
    with pytest.raises(UserError, match=r"backbone.*conv1 takes 4 channels, it gets 3"):
        try_step(cfg, loader_of(images, False))


def _try(rank: int, folder: str) -> list[str]:
    messages = []
    for cfg in (simclr(), simclr(misfit=True), simclr(norm="SyncBN")):
        try:
            try_step(cfg, loader_of(Path(folder), False, dist=True))
            messages.append("")
        except UserError as error:
            messages.append(str(error))
    assert dist.get_world_size() == 2
    assert dist.get_rank() == rank
    return messages


def test_each_of_two_ranks_tries_alone(images: Path, tmp_path: Path) -> None:
    for fits, misfit, synchronised in run_ranks(_try, tmp_path, str(images)):
        assert fits == synchronised == ""
        assert "the parts don't fit each other" in misfit


@pytest.mark.parametrize("method", sorted(set(TINY) - NEED_VALUES))
def test_the_whole_step_of_a_method_is_tried(method: str) -> None:
    tiny = TINY[method]
    sample = config_faults._first(tiny.batch(2, torch.Generator()))
    with torch.device("meta"):
        model: Any = build_algorithm(copy.deepcopy(tiny.cfg))
    assert config_faults._failure(model.train(), sample, 4) == ("", False)


def test_channels_of_the_images_that_the_first_layer_does_not_take(images: Path) -> None:
    cfg = simclr()
    cfg.model.backbone.in_channels = 1
    with pytest.raises(UserError, match=r"conv1 takes 1 channels, it gets 3"):
        try_step(cfg, loader_of(images, False))


def test_widths_that_meet_in_a_loss(images: Path) -> None:
    model = copy.deepcopy(TINY["BYOL"].cfg)
    model["head"]["predictor"]["out_channels"] += 1
    with pytest.raises(UserError, match=r"the parts don't fit each other .*(broadcast|must match)"):
        try_step(Config(dict(model=model)), loader_of(images, False))


def test_a_last_batch_that_is_too_small_for_the_loss(images: Path) -> None:
    cfg = simclr()
    loader = loader_of(images, False, batch=len(loader_of(images, False).dataset) - 1)
    assert "NT-Xent needs two views of at least two images" in try_step(cfg, loader)


class Timm(torch.nn.Module):
    """Patches of a network of timm, which are not padded."""

    def __init__(self, patch: int) -> None:
        super().__init__()
        self.patch_embed = torch.nn.Sequential(torch.nn.Conv2d(3, 4, patch, patch))


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize(
    ("kind", "patch", "line"),
    [
        ("VisionTransformer", 15, "patches of 15 x 15: zeros fill up the last ones; take sides"),
        ("VisionTransformer", 16, ""),
        ("timm", 15, "patches of 15 x 15: the rest is left out; take sides that are multiples"),
        ("timm", 8, ""),
    ],
)
def test_patches_that_do_not_divide_the_images(
    kind: str,
    patch: int,
    line: str,
    fast: bool,
    images: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(config_faults, "get_root_logger", lambda: logging.getLogger("shown"))
    arch = dict(embed_dims=8, num_layers=1, num_heads=1, feedforward_channels=8)
    model = torch.nn.Module()
    if kind == "timm":
        model.backbone = Timm(patch)
    else:
        config = dict(type=kind, arch=arch, img_size=32, patch_size=patch)
        model.backbone = build_backbone(config)
    before = torch.get_rng_state()
    report_cut_patches(model, loader_of(images, fast))
    assert torch.equal(before, torch.get_rng_state())
    if not line:
        assert not caplog.text
        return
    assert "data.train gives images of 32 x 32 pixels, and model.backbone has" in caplog.text
    assert line in caplog.text
    assert "multiples of 15, such as 30 x 30" in caplog.text
