"""The joined batch of a training, and the learning rate that belongs to it."""

import logging
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv import Config

from mmselfsup.apis.train import train_model
from mmselfsup.apis.training.batch_size import batch_in_name, batches_of_a_step, scale_lr
from mmselfsup.core.optimizer import build_optimizer
from mmselfsup.utils.errors import UserError
from tests.runner.fakes import TinyData, TinyModel

ROOT = Path(__file__).parents[3]
CONFIGS = [
    path
    for path in sorted((ROOT / "configs").rglob("*.py"))
    if "_base_" not in path.parts and batch_in_name(path.name) is not None
]
LOGGER = logging.getLogger("tests.batch_size")


def config(**changes: Any) -> Config:
    return Config(
        dict(
            dict(
                log_level="INFO",
                data=dict(samples_per_gpu=4, workers_per_gpu=0),
                optimizer=dict(type="SGD", lr=0.4, momentum=0.9),
                optimizer_config=dict(),
                runner=dict(type="EpochBasedRunner", max_epochs=2),
                log_config=dict(interval=1, hooks=[]),
                seed=0,
            ),
            **changes,
        )
    )


def named(cfg: Config, name: str) -> Config:
    """The config as if it were read from a file of this name."""
    return Config(cfg._cfg_dict.to_dict(), cfg_text="# read", filename=name)


def rates(optimizer: Any) -> list[float]:
    return [group["lr"] for group in optimizer.param_groups]


@pytest.mark.parametrize(
    ("name", "batch"),
    [
        ("configs/simclr_resnet50_8xb32-coslr-200e_in1k.py", 256),
        ("byol_resnet50_8xb32-accum16-coslr-200e_in1k.py", 4096),
        ("byol_resnet50_8xb256-fp16-accum2-coslr-200e_in1k.py", 4096),
        ("resnet50_linear-8xb32-steplr-100e_in1k.py", 256),
        ("mine_1xb64.py", 64),
        ("mae_vit-base-p16_isic2019-demo.py", None),
        ("a8xb32c.py", None),
        (None, None),
    ],
)
def test_batch_in_a_name(name: str | None, batch: int | None) -> None:
    assert batch_in_name(name) == batch


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_names_of_configs_tell_their_batch(path: Path) -> None:
    """So that the line about another batch appears for another batch only."""
    cfg = Config.fromfile(path)
    size = cfg.data.get("samples_per_gpu") or cfg.data.imgs_per_gpu
    processes = int(path.stem.partition("xb")[0].replace("-", "_").rpartition("_")[2])
    assert processes * size * batches_of_a_step(cfg) == batch_in_name(path.name)


def test_the_linear_rule_for_all_groups(caplog: pytest.LogCaptureFixture) -> None:
    model = TinyModel()
    options = {"bias": dict(lr_mult=2), "nothing": dict(lr=3.0)}
    cfg = config(
        auto_scale_lr=dict(base_batch_size=32),
        optimizer=dict(type="SGD", lr=0.4, paramwise_options=options),
        optimizer_config=dict(update_interval=2),
    )
    optimizer = build_optimizer(model, cfg.optimizer)
    before = rates(optimizer)
    with caplog.at_level(logging.INFO):
        scale_lr(optimizer, cfg, 4, LOGGER)  # 8 in a step
    assert rates(optimizer) == pytest.approx([lr / 4 for lr in before])
    assert optimizer.defaults["lr"] == pytest.approx(0.1)
    assert cfg.optimizer.lr == 0.4, "the config stays as it is written"
    assert caplog.messages == [
        "auto_scale_lr: the joined batch has 8 images (4 of all processes x update_interval 2), "
        "optimizer.lr=0.4 is for 32: the rate is 0.1"
    ]


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({}, "simclr_8xb32.py", r"has 4 images .* made for 256 \(the name of the config\)"),
        (dict(auto_scale_lr=dict(base_batch_size=32, enable=False)), "", r"for 32 \(auto_scale"),
        (dict(optimizer_config=dict(update_interval=2)), "x_1xb4.py", "4 of all .*interval 2"),
    ],
)
def test_another_batch_is_a_line(
    changes: dict[str, Any], name: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    cfg = named(config(**changes), name)
    optimizer = build_optimizer(TinyModel(), cfg.optimizer)
    scale_lr(optimizer, cfg, 4, LOGGER)
    assert rates(optimizer) == [0.4]
    (line,) = caplog.messages
    assert re.search(words, line), line
    assert "auto_scale_lr=dict(base_batch_size=" in line


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, None),
        ({}, "simclr_1xb4.py"),
        (dict(optimizer_config=dict(update_interval=8)), "simclr_8xb4.py"),
        (dict(fp16=dict(loss_scale=512.0, update_interval=8)), "simclr_8xb4.py"),
    ],
)
def test_silence_for_the_same_batch(
    changes: dict[str, Any], name: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    cfg = config(**changes) if name is None else named(config(**changes), name)
    scale_lr(build_optimizer(TinyModel(), cfg.optimizer), cfg, 4, LOGGER)
    assert not caplog.messages


def test_what_can_not_be_scaled_is_said() -> None:
    optimizer = build_optimizer(TinyModel(), config().optimizer)
    with pytest.raises(UserError, match="auto_scale_lr: set base_batch_size"):
        scale_lr(optimizer, config(auto_scale_lr=dict(enable=True)), 4, LOGGER)
    cfg = config(auto_scale_lr=dict(base_batch_size=4), optimizer=dict(type="SGD"))
    with pytest.raises(UserError, match=r"optimizer\.lr is not set"):
        scale_lr(optimizer, cfg, 4, LOGGER)


def test_a_training_and_its_resume(tmp_path: Path) -> None:
    cfg = config(
        auto_scale_lr=dict(base_batch_size=16),
        lr_config=dict(policy="step", step=[1]),
        checkpoint_config=dict(interval=1),
        work_dir=str(tmp_path),
    )
    whole = train_model(TinyModel(), TinyData(8), cfg)
    assert rates(whole.optimizer) == pytest.approx([0.01])  # 0.4 * 4 / 16, a tenth from epoch 1
    state = torch.load(tmp_path / "epoch_1.pth", weights_only=True)
    assert state["optimizer"]["param_groups"][0]["initial_lr"] == pytest.approx(0.1)
    again = cfg._cfg_dict.to_dict()
    again.update(resume_from=str(tmp_path / "epoch_1.pth"), auto_scale_lr=dict(base_batch_size=64))
    resumed = train_model(TinyModel(), TinyData(8), Config(again))
    assert rates(resumed.optimizer) == rates(whole.optimizer), "that of the checkpoint"
    for a, b in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(a, b)
