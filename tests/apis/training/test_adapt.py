"""Continued pre-training: what trains, the warm-up, resuming, two ranks, files, bad input."""

import copy
import logging
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmcv import Config
from mmcv.runner import HOOKS, Hook
from PIL import Image
from torch import Tensor

from mmselfsup.apis import train_model
from mmselfsup.config.check import check_config
from mmselfsup.core.adaptation import adapt_model, read_settings
from mmselfsup.core.checkpoint import (
    backbone_state,
    extract_backbone,
    load_state,
    load_weights,
    publish_model,
)
from mmselfsup.core.checkpoint.timm_names import timm_names
from mmselfsup.datasets import build_dataset
from mmselfsup.models import build_algorithm
from mmselfsup.utils import dist
from mmselfsup.utils.errors import UserError
from tests.distributed.ranks import run_ranks

NECK: dict[str, Any] = dict(type="NonLinearNeck", in_channels=24, hid_channels=16, out_channels=8)
VIT: dict[str, Any] = dict(
    type="MoCoV3",
    backbone=dict(
        type="VisionTransformer",
        arch=dict(embed_dims=24, num_layers=3, num_heads=2, feedforward_channels=48),
        img_size=32,
        patch_size=8,
    ),
    neck=dict(NECK, vit_backbone=True, with_avg_pool=False, norm_cfg=dict(type="BN1d")),
    head=dict(
        type="MoCoV3Head",
        predictor=dict(NECK, in_channels=8, with_avg_pool=False, norm_cfg=dict(type="BN1d")),
        temperature=0.2,
    ),
)
RESNET: dict[str, Any] = dict(
    type="BYOL",
    backbone=dict(
        type="ResNet", depth=18, stem_channels=4, base_channels=4, norm_cfg=dict(type="BN")
    ),
    neck=dict(NECK, in_channels=32, norm_cfg=dict(type="BN1d")),
    head=dict(
        type="LatentPredictHead",
        predictor=dict(NECK, in_channels=8, with_avg_pool=False, norm_cfg=dict(type="BN1d")),
    ),
)
MODELS = {"vit": VIT, "resnet": RESNET}
VIEW = [
    dict(type="RandomResizedCrop", size=32),
    dict(type="ToTensor"),
    dict(type="Normalize", mean=[0.5, 0.5, 0.5], std=[0.2, 0.2, 0.2]),
]
ATTENTION = ("attn.qkv", "attn.proj")


@HOOKS.register_module()
class SaveStates(Hook):  # type: ignore[misc]
    """Keeps the weights before the first step and after every epoch."""

    states: list[dict[str, Tensor]] = []

    def before_train_epoch(self, runner: Any) -> None:
        module = getattr(runner.model, "module", runner.model)
        self.states.append({k: v.detach().clone() for k, v in module.state_dict().items()})


@pytest.fixture
def place(tmp_path: Path) -> Path:
    lines = []
    for number in range(24):
        pixels = np.random.default_rng(number).integers(0, 80, (36, 36, 3), dtype=np.uint8)
        pixels[..., number % 3] += 150
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png {number % 3}\n")
    (tmp_path / "list.txt").write_text("".join(lines))
    return tmp_path


def config(place: Path, kind: str, name: str = "run", epochs: int = 1, **adapt: Any) -> Config:
    source = dict(type="ImageList", data_prefix=str(place), ann_file=str(place / "list.txt"))
    return Config(
        dict(
            model=copy.deepcopy(MODELS[kind]),
            data=dict(
                samples_per_gpu=8,
                workers_per_gpu=0,
                train=dict(
                    type="MultiViewDataset", data_source=source, num_views=[2], pipelines=[VIEW]
                ),
            ),
            optimizer=dict(type="SGD", lr=0.05, momentum=0.9, weight_decay=0.1),
            lr_config=dict(policy="fixed"),
            runner=dict(type="EpochBasedRunner", max_epochs=epochs),
            checkpoint_config=dict(interval=1),
            custom_hooks=[
                dict(type="MomentumUpdateHook", end_momentum=0.5),
                dict(type="SaveStates", priority="VERY_HIGH"),
            ],
            work_dir=str(place / name),
            seed=3,
            **(dict(adapt=dict(monitor=False) | adapt) if adapt else {}),
        )
    )


def train(cfg: Config) -> tuple[Any, list[dict[str, Tensor]]]:
    """Train; the runner, and the weights before each epoch and at the end."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    SaveStates.states = []
    model = build_algorithm(copy.deepcopy(cfg.model))
    model.init_weights()
    Path(cfg.work_dir).mkdir(exist_ok=True)
    data = build_dataset(cfg.data.train)
    runner = train_model(model, data, cfg, dist.is_distributed(), "run", {})
    end = {k: v.detach().clone() for k, v in model.state_dict().items()}
    return runner, [*SaveStates.states, end]


def changed(before: dict[str, Tensor], after: dict[str, Tensor], start: str) -> set[str]:
    names = [n for n in before if n.startswith(start) and before[n].is_floating_point()]
    assert names
    return {n[len(start) :] for n in names if not torch.equal(before[n], after[n])}


TRAINED = {
    "last_blocks": lambda n: n.startswith(("layers.2.", "ln1.")),
    "lora": lambda n: n.endswith(("lora_a", "lora_b")),
    "apla": lambda n: n.endswith("attn.proj.weight"),
    "norm_bias": lambda n: n.endswith("bias") or ".ln" in f".{n}",
    "full": lambda n: n != "pos_embed",  # sines and cosines
}


@pytest.mark.parametrize("kind", TRAINED)
def test_exactly_the_named_parameters_train(place: Path, kind: str) -> None:
    options = {"last_blocks": {"blocks": 1}, "lora": {"rank": 2}}.get(kind, {})
    # The biases of keys have no gradient, see ``MultiheadAttention``; weight decay moves them.
    _, states = train(config(place, "vit", type=kind, **options))
    names = [n[len("backbone.") :] for n in states[0] if n.startswith("backbone.")]
    wanted = {n for n in names if TRAINED[kind](n) and not n.endswith("lora_scale")}
    assert changed(states[0], states[-1], "backbone.") == wanted
    assert changed(states[0], states[-1], "neck.")
    assert changed(states[0], states[-1], "head.")


def test_columns_of_apla(place: Path) -> None:
    cfg = config(place, "vit", type="apla", columns=0.25, choice="leading")
    _, states = train(cfg)
    name = "layers.1.attn.proj."
    assert changed(states[0], states[-1], f"backbone.{name}") == {"column_values"}
    assert states[0][f"backbone.{name}column_numbers"].tolist() == list(range(6))


def test_last_blocks_of_a_resnet_keep_the_statistics_below(place: Path) -> None:
    _, states = train(config(place, "resnet", type="last_blocks", blocks=1))
    for network in ("online_net.0.", "target_net.0."):
        moved = changed(states[0], states[-1], network)
        assert moved
        assert all(name.startswith("layer4.1.") for name in moved), moved
        assert any(name.endswith("running_mean") for name in moved)


def test_targets_of_lora_move_and_frozen_ones_stay(place: Path) -> None:
    _, states = train(config(place, "vit", type="lora", rank=2))
    start = "momentum_encoder.0." if "momentum_encoder.0.cls_token" in states[0] else None
    start = start or next(
        n[: -len("cls_token")]
        for n in states[0]
        if n.endswith("cls_token") and not n.startswith(("backbone", "base_encoder"))
    )
    moved = changed(states[0], states[-1], start)
    assert moved == {f"layers.{i}.{part}.weight" for i in range(3) for part in ATTENTION}


@pytest.mark.parametrize("kind", MODELS)
def test_frozen_warm_up(place: Path, kind: str) -> None:
    cfg = config(place, kind, epochs=3, type="full", freeze_epochs=2)
    _, states = train(cfg)
    own = "backbone."
    assert not changed(states[0], states[2], own)  # statistics included
    assert changed(states[2], states[3], own)
    assert changed(states[0], states[1], "neck.")
    assert changed(states[0], states[1], "head.")


@pytest.mark.parametrize(
    "adapt", [dict(type="lora", rank=2), dict(type="apla", columns=5), dict(type="full")]
)
def test_resuming_inside_the_warm_up_is_bit_equal(place: Path, adapt: dict[str, Any]) -> None:
    adapt = {**adapt, "freeze_epochs": 2, "lr_mult": 0.5, "layer_decay": 0.8}
    _, whole = train(config(place, "vit", "whole", epochs=3, **adapt))
    cfg = config(place, "vit", "again", epochs=3, **adapt)
    cfg.resume_from = str(place / "whole" / "epoch_1.pth")
    cfg.load_from = "nowhere.pth"  # not read
    _, resumed = train(cfg)
    for name, tensor in whole[-1].items():
        assert torch.equal(tensor, resumed[-1][name]), name


def test_rates(place: Path) -> None:
    runner, _ = train(config(place, "vit", type="full", lr_mult=0.5, layer_decay=0.5))
    model = runner.model
    rate = {id(p): g["lr"] for g in runner.optimizer.param_groups for p in g["params"]}
    every = model.named_parameters(remove_duplicate=False)
    found = {n: rate[id(p)] for n, p in every}
    assert found["backbone.cls_token"] == pytest.approx(0.05 * 0.5 * 0.5**4)
    assert found["backbone.layers.0.attn.qkv.weight"] == pytest.approx(0.05 * 0.5 * 0.5**3)
    assert found["backbone.layers.2.attn.qkv.weight"] == pytest.approx(0.05 * 0.5 * 0.5)
    assert found["backbone.ln1.weight"] == pytest.approx(0.05 * 0.5)
    assert found["neck.fc0.weight"] == pytest.approx(0.05)


def test_the_log_has_a_table(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("mmselfsup")
    logger.addHandler(caplog.handler)
    try:
        train(config(place, "vit", type="apla", lr_mult=0.1))
    finally:
        logger.removeHandler(caplog.handler)
    row = next(line for line in caplog.text.splitlines() if line.startswith(" backbone"))
    assert row.split()[2:] == [f"{3 * 24 * 24:,}", row.split()[3], "0.005"]
    assert "no start weights, so the backbone is random" in caplog.text


def test_files_hold_ordinary_weights(place: Path) -> None:
    runner, states = train(config(place, "vit", type="lora", rank=2))
    plain = build_algorithm(copy.deepcopy(VIT))
    exported = load_state(str(place / "run" / "backbone.pth"))
    assert set(exported) == set(timm_names(plain.backbone.state_dict(), "the backbone"))
    extract_backbone(str(place / "run" / "epoch_1.pth"), str(place / "extracted.pth"))
    published = publish_model(str(place / "run" / "epoch_1.pth"), str(place / "published.pth"))
    images = torch.randn(2, 3, 32, 32)
    adapted = runner.model.backbone.eval()(images)[-1]
    for file in ("run/epoch_1.pth", "run/backbone.pth", "extracted.pth", published.name):
        model = build_algorithm(copy.deepcopy(VIT))
        report = load_weights(model, str(place / file))
        assert report.complete, file
        assert not report.unexpected, file
        features = model.backbone.eval()(images)[-1]
        for found, wanted in zip(features, adapted, strict=True):
            torch.testing.assert_close(found, wanted, atol=5e-6, rtol=0)  # three blocks
    start = states[0]["backbone.layers.0.attn.qkv.weight"]
    assert not torch.equal(exported["blocks.0.attn.qkv.weight"], start)


def test_start_weights_of_an_adapted_run(place: Path) -> None:
    """A second adaptation starts from the merged weights of the first, its teacher too."""
    train(config(place, "vit", "first", type="lora", rank=2))
    merged = load_state(str(place / "first" / "backbone.pth"))
    cfg = config(place, "vit", "second", type="lora", rank=4)
    cfg.load_from = str(place / "first" / "backbone.pth")
    _runner, states = train(cfg)
    name = "layers.0.attn.qkv.weight"
    trained = merged["blocks.0.attn.qkv.weight"]
    assert torch.equal(states[0][f"backbone.{name}"], trained)
    targets = [n for n in states[0] if n.endswith(name) and not n.startswith("backbone")]
    assert all(torch.equal(states[0][n], trained) for n in targets)


def test_random_state_and_old_configs_are_untouched(place: Path) -> None:
    _, plain = train(config(place, "vit", "plain"))
    _, full = train(config(place, "vit", "full", type="full"))
    for name, tensor in plain[-1].items():
        assert torch.equal(tensor, full[-1][name]), name


def on_a_rank(rank: int, place: str) -> list[dict[str, Tensor]]:
    results = []
    for adapt in (dict(type="lora", rank=2, freeze_epochs=1), dict(type="last_blocks", blocks=1)):
        results.append(train(config(Path(place), "vit", epochs=2, **adapt))[1][-1])
    return results


@pytest.mark.filterwarnings("ignore")
def test_two_ranks(place: Path) -> None:
    first, second = run_ranks(on_a_rank, place, str(place))
    _, alone = train(config(place, "vit", "alone", epochs=2, type="lora", rank=2))
    for one, other in zip(first, second, strict=True):
        for name, tensor in one.items():
            if "running" not in name:
                assert torch.equal(tensor, other[name]), name
    a = "backbone.layers.0.attn.qkv.lora_a"
    assert first[0][a].shape == alone[-1][a].shape
    assert not torch.equal(first[0][a], alone[0][a])  # it has trained after the warm-up


BAD = [
    (dict(type="prompt"), "adapt.type is 'prompt': use one of full, last_blocks"),
    (dict(type="full", rank=4), "type 'full' has no 'rank'"),
    (dict(type="lora", rank=0), "adapt.rank is 0: give a whole number from 1"),
    (dict(type="lora", rank=100), "adapt.rank is 100, more than the 24"),
    (dict(type="lora", targets=["fc9"]), "no linear layer of VisionTransformer has a name"),
    (dict(type="apla", columns=25), "adapt.columns is 25, and a projection has 24"),
    (dict(type="apla", columns=1.5), "adapt.columns is 1.5"),
    (dict(type="apla", choice="best"), "adapt.choice is 'best'"),
    (dict(type="last_blocks", blocks=4), "adapt.blocks is 4, and VisionTransformer has 3"),
    (dict(type="full", layer_decay=0), "adapt.layer_decay is 0"),
    (dict(type="full", lr_mult=0), "adapt.lr_mult is 0"),
    (dict(type="full", train=["("]), "adapt.train is '\\('"),
]


@pytest.mark.parametrize(("adapt", "message"), BAD)
def test_bad_settings(adapt: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        adapt_model(build_algorithm(copy.deepcopy(VIT)), adapt)


@pytest.mark.parametrize("kind", ["lora", "apla"])
def test_attention_types_need_attention(kind: str) -> None:
    with pytest.raises(UserError, match=r"finds no attention.*use 'last_blocks' or 'norm_bias'"):
        adapt_model(build_algorithm(copy.deepcopy(RESNET)), dict(type=kind))


def test_last_blocks_need_blocks() -> None:
    model = torch.nn.Module()
    model.backbone = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
    with pytest.raises(UserError, match="has no blocks"):
        adapt_model(model, dict(type="last_blocks"))
    with pytest.raises(UserError, match="layer_decay needs blocks"):
        adapt_model(model, dict(type="full", layer_decay=0.5))
    with pytest.raises(UserError, match="has no backbone"):
        adapt_model(torch.nn.Module(), dict(type="full"))


def test_iterations_have_no_warm_up_in_epochs(place: Path) -> None:
    cfg = config(place, "vit", type="full", freeze_epochs=1)
    cfg.runner = dict(type="IterBasedRunner", max_iters=2)
    with pytest.raises(UserError, match=r"adapt\.freeze_epochs=0"):
        train(cfg)


@pytest.mark.parametrize(
    ("adapt", "message"),
    [
        (dict(type="lroa"), "did you mean 'lora'"),
        (dict(type="lora", rnak=3), "did you mean 'rank'"),
        (dict(type="full", freeze_epochs=-1), "adapt.freeze_epochs=-1: give a whole number"),
        (dict(type="full", monitor=dict(intervall=3)), "did you mean 'interval'"),
    ],
)
def test_config_check(place: Path, adapt: dict[str, Any], message: str) -> None:
    cfg = config(place, "vit")
    cfg.custom_hooks = []
    cfg.adapt = adapt
    with pytest.raises(UserError, match=message):
        check_config(cfg)


def test_settings_from_a_config() -> None:
    settings = read_settings(dict(type="lora", targets="qkv", train=()))
    assert settings.targets == ("qkv",)
    assert settings.train == ()
    assert backbone_state(torch.nn.Module()) is None
