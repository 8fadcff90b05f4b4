"""The steps of training: wrapping, runner, hooks, and what a hook of a config is offered."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from mmcv import Config
from mmcv.runner import HOOKS, Hook
from torch import nn

from mmselfsup.apis.train import (
    data_size,
    load_weights_or_resume,
    make_runner,
    train_model,
    wrap_model,
)
from mmselfsup.apis.training.hooks import (
    optimizer_hook_config,
    register_custom_hook,
    register_hooks,
)
from mmselfsup.core import EpochBasedRunner, IterBasedRunner
from mmselfsup.datasets.loader import build_eval_loader, build_train_loaders, loader_args
from mmselfsup.utils.error_context import config_errors, run_errors
from mmselfsup.utils.errors import ArgumentError, UserError
from tests.runner.fakes import TinyData, TinyModel, make_loader
from tests.runner.fakes import make_runner as tiny_runner

CONFIG = dict(
    log_level="ERROR",
    data=dict(samples_per_gpu=4, workers_per_gpu=0),
    optimizer=dict(type="SGD", lr=0.05),
    optimizer_config=dict(),
    lr_config=dict(policy="step", step=[1]),
    momentum_config=dict(policy="step", step=[1]),
    runner=dict(type="EpochBasedRunner", max_epochs=2),
    log_config=dict(interval=1, hooks=[]),
    seed=0,
)


def config(**changes: Any) -> Config:
    return Config({**CONFIG, **changes})


class Plain(Hook):  # type: ignore[misc]
    """As hooks of mmcv: no further arguments."""

    def __init__(self, size: int = 1) -> None:
        self.size = size


class Greedy(Hook):  # type: ignore[misc]
    """As hooks of MMSelfSup 0.x: takes what is offered."""

    def __init__(self, **kwargs: Any) -> None:
        self.kwargs = kwargs


class Wanting(Hook):  # type: ignore[misc]
    """Asks for the loaders by name."""

    def __init__(self, data_loaders: Any) -> None:
        self.data_loaders = data_loaders


@pytest.fixture
def hook_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for hook in (Plain, Greedy, Wanting):
        monkeypatch.setitem(HOOKS._module_dict, hook.__name__, hook)


def test_trains_by_call() -> None:
    runner = train_model(TinyModel(), TinyData(8), config(), meta={"seed": 0})
    assert isinstance(runner, EpochBasedRunner)
    assert (runner.epoch, runner.iter) == (2, 4)
    assert runner.current_lr() == pytest.approx([0.005])


def test_config_is_not_changed() -> None:
    cfg = config(custom_hooks=[dict(type="EMAHook", momentum=0.1, priority="LOW")])
    before = cfg.pretty_text
    register_hooks(tiny_runner(EpochBasedRunner, max_epochs=1), cfg, [], False)
    assert cfg.pretty_text == before


def test_one_process_keeps_the_bare_model() -> None:
    model = TinyModel()
    assert wrap_model(model, distributed=True) is model


def test_old_name_of_the_number_of_epochs() -> None:
    cfg = config(runner=None, total_epochs=7)
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    logger = tiny_runner(EpochBasedRunner).logger
    runner = make_runner(TinyModel(), optimizer, cfg, logger, "stamp", {})
    assert (runner.max_epochs, runner.timestamp) == (7, "stamp")


@pytest.mark.usefixtures("hook_names")
def test_hooks_get_what_they_ask_for() -> None:
    runner, loaders = tiny_runner(EpochBasedRunner, max_epochs=1), [make_loader()]
    for hook_cfg in (dict(type="Plain", size=3), dict(type="Greedy", a=1), dict(type="Wanting")):
        register_custom_hook(runner, hook_cfg, loaders, distributed=False)
    register_custom_hook(runner, dict(type=Plain, priority="VERY_HIGH"), loaders, False)
    register_custom_hook(runner, Plain(9), loaders, False)
    kinds = {type(hook).__name__: hook for hook in runner.hooks}
    assert kinds["Greedy"].kwargs == {"a": 1, "dist_mode": False, "data_loaders": loaders}
    assert kinds["Wanting"].data_loaders == loaders
    assert [hook.size for hook in runner.hooks if isinstance(hook, Plain)] == [1, 3, 9]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"type": "DistOptimizerHook"}),
        (
            {"optimizer_config": dict(update_interval=2)},
            {"type": "DistOptimizerHook", "update_interval": 2},
        ),
        ({"optimizer_config": dict(type="OptimizerHook")}, {"type": "OptimizerHook"}),
        (
            {"fp16": dict(loss_scale=512.0), "optimizer_config": dict(update_interval=2)},
            {
                "type": "GradAccumFp16OptimizerHook",
                "update_interval": 2,
                "loss_scale": 512.0,
                "distributed": False,
            },
        ),
        ({"optimizer_config": None}, {"type": "DistOptimizerHook"}),
    ],
)
def test_optimizer_hook(changes: Any, expected: Any) -> None:
    assert optimizer_hook_config(config(**changes), distributed=False) == expected


def test_loader_settings_of_a_part_win() -> None:
    data = dict(
        imgs_per_gpu=8, workers_per_gpu=2, sampling_replace=True, drop_last=True, train=dict(a=1),
        val_dataloader=dict(samples_per_gpu=2),
    )  # fmt: skip
    cfg = config(data=data, persistent_workers=False, prefetch=True, img_norm_cfg=dict(mean=[0]))
    train, val = (loader_args(cfg, part, distributed=True) for part in ("train", "val"))
    assert train == dict(
        num_gpus=1, dist=True, seed=0, replace=True, persistent_workers=False, prefetch=True,
        img_norm_cfg=dict(mean=[0]), imgs_per_gpu=8, workers_per_gpu=2, drop_last=True,
    )  # fmt: skip
    assert {k: val[k] for k in ("shuffle", "drop_last", "replace", "samples_per_gpu")} == dict(
        shuffle=False, drop_last=False, replace=False, samples_per_gpu=2
    )


def test_too_few_images() -> None:
    cfg = config(data=dict(samples_per_gpu=4, workers_per_gpu=0, drop_last=True))
    with pytest.raises(UserError, match="3 images can't fill one batch of 4 on 1 process"):
        build_train_loaders([TinyData(3)], cfg, distributed=False)


def test_no_image_is_left_out_of_an_evaluation() -> None:
    data = dict(samples_per_gpu=2, workers_per_gpu=0, drop_last=True)
    loader = build_eval_loader(TinyData(3), config(data=data), "val", distributed=False)
    assert len(loader) == 2
    cfg = config(data=dict(data, val_dataloader=dict(drop_last=True)))
    with pytest.raises(UserError, match=r"data\.val_dataloader\.drop_last=True would leave"):
        build_eval_loader(TinyData(3), cfg, "val", distributed=False)


def test_no_other_image_is_measured_in_the_place_of_a_broken_one() -> None:
    data, sources = (
        TinyData(3),
        [SimpleNamespace(on_error=on_error) for on_error in ("raise", "skip")],
    )
    data.data_source = sources[0]  # type: ignore[attr-defined]
    build_eval_loader(data, config(), "val", distributed=False)
    data.datasets = [SimpleNamespace(data_source=source) for source in sources]  # type: ignore[attr-defined]
    with pytest.raises(UserError, match=r"data\.val: on_error='skip' would measure another"):
        build_eval_loader(data, config(), "val", distributed=False)


def test_evaluation_without_data() -> None:
    with pytest.raises(UserError, match=r"set data\.val"):
        register_hooks(
            tiny_runner(EpochBasedRunner), config(evaluation=dict(interval=1)), [], False
        )


def test_errors_name_the_part_of_the_config() -> None:
    with pytest.raises(UserError, match=r"model: depth 7 is not"), config_errors("model"):
        raise ValueError("depth 7 is not\none of 18, 34")
    with pytest.raises(UserError, match=r"^hooks: no mlflow "), config_errors("hooks"):
        raise ImportError("no mlflow")
    with pytest.raises(UserError, match=r"^as it is$"), config_errors("model"):
        raise UserError("as it is")
    with pytest.raises(UserError, match=r"^x\.jpg is gone$"), run_errors():
        raise UserError(
            "Caught UserError in DataLoader worker process 1.\nOriginal Traceback:\n"
            "mmselfsup.utils.errors.UserError: x.jpg is gone\n"
        )


def test_iterations() -> None:
    cfg = config(runner=dict(type="IterBasedRunner", max_iters=3))
    runner = train_model(TinyModel(), TinyData(8), cfg)
    assert isinstance(runner, IterBasedRunner)
    assert runner.iter == 3


def test_class_counts_of_a_repeated_data_set_are_those_of_its_images():
    class Data:
        gt_labels, num_images = np.tile([0, 0, 0, 0, 1, 1], 10), 6

        def __len__(self):
            return 60

    size = data_size(SimpleNamespace(dataset=Data(), batch_size=2), distributed=False)
    assert (size.num_images, size.class_counts) == (6, (4, 2))


def test_a_wrong_argument_during_the_run_is_one_line():
    with pytest.raises(UserError, match="takes 2 views"), run_errors():
        raise ArgumentError("MoCo takes 2 views of each image, got 3")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            RuntimeError("The size of tensor a (48) must match the size of tensor b (32)"),
            r"the parts don't fit each other or the images: The size of tensor a \(48\)",
        ),
        (ImportError("No module named pavi"), r"No module named pavi; install it, or take"),
    ],
)
def test_misfits_and_packages_that_show_during_the_run(error: Exception, message: str) -> None:
    with pytest.raises(UserError, match=message), run_errors():
        raise error


def test_a_check_without_a_message_is_shown() -> None:
    hook = dict(type="EMAHook", momentum=5)
    with pytest.raises(UserError, match=r"EMAHook: a value .*assert momentum"), config_errors("h"):
        HOOKS.build(hook)
    with pytest.raises(UserError, match=r"h: KeyError: 'x' is not known"), config_errors("h"):
        {}["x"]


@pytest.mark.parametrize("partial", [False, True])
def test_a_part_of_the_weights_is_loaded_only_where_it_is_wanted(
    tmp_path: Path, partial: bool
) -> None:
    """The file has one of the three kernels of the model."""
    torch.save({"0.weight": torch.full((2, 2), 7.0)}, tmp_path / "a.pth")
    model = torch.nn.Sequential(*(torch.nn.Linear(2, 2) for _ in range(3)))
    holder = torch.nn.Module()
    holder.backbone = model
    runner: Any = SimpleNamespace(model=holder)
    cfg = Config({"load_from": str(tmp_path / "a.pth"), "load_partial": partial})
    if not partial:
        with pytest.raises(UserError, match="load_partial"):
            load_weights_or_resume(runner, cfg)
        return
    load_weights_or_resume(runner, cfg)
    assert model[0].weight.eq(7.0).all()
