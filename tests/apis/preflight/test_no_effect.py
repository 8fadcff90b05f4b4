"""Settings without effect are told before the first iteration."""

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mmcv import Config
from mmcv.runner import HOOKS, Hook
from torch import nn

import mmselfsup.core.hooks  # noqa: F401  (registers)
from mmselfsup.apis.preflight.no_effect import report_no_effect
from mmselfsup.models.builder import ALGORITHMS

SMALL_CONFIGS = sorted(Path(__file__).parents[3].glob("configs/selfsup/*/*_isic2019-64.py"))


class Between(Hook):  # type: ignore[misc]
    def after_train_epoch(self, runner: Any) -> None:
        pass


class Within(Between):
    def after_train_iter(self, runner: Any) -> None:
        pass


def lines(
    config: dict[str, Any],
    *hooks: Any,
    epochs: int | None = 3,
    iters: Any = None,
    model: Any = None,
) -> str:
    runner = SimpleNamespace(max_epochs=epochs, max_iters=iters, hooks=list(hooks), model=model)
    cfg = Config(config)
    return "\n".join(report_no_effect(cfg, runner, range(10), logging.getLogger("x")))


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (dict(evaluation=dict(interval=4)), "evaluation: the first one is due after 4 epochs"),
        (dict(evaluation=dict(interval=1, start=9)), "after 9 epochs, the training has 3"),
        (dict(evaluation=dict(interval=31, by_epoch=False)), "after 31 iterations, the training"),
        (dict(lr_config=dict(policy="step", step=[3, 5])), "its first step is after 3 epochs"),
        (dict(lr_config=dict(policy="step", step=40, by_epoch=False)), "has 30: the learning"),
        (dict(lr_config=dict(policy="x", warmup="linear", warmup_iters=30)), "the warm-up (30 "),
        (dict(optimizer_config=dict(update_interval=31)), "it makes a single step"),
        (dict(load_from="a", resume_from="b"), "load_from has no effect"),
        (dict(lr_config=dict(policy="step", step=[])), "the learning rate stays as it is"),
        (dict(momentum_config=dict(policy="step", step=[7])), "the momentum stays as it is"),
        (dict(lr_config=dict(policy="x", warmup_iters=5)), "warmup_iters has no effect without"),
        (dict(total_epochs=5, runner=dict(max_epochs=3)), "total_epochs=5 has no effect beside"),
        (dict(optimizer=dict(lr=0)), "optimizer.lr=0: no weight changes"),
        (dict(optimizer_config=dict(grad_clip=dict(max_norm=0))), "makes all gradients 0"),
        (dict(custom_hooks=[dict(type="A", x=1)] * 2), "A is there twice with equal options"),
        (dict(checkpoint_config=dict(interval=4, save_last=False)), "no checkpoint is written"),
    ],
)
def test_settings(config: dict[str, Any], line: str) -> None:
    assert line in lines(config)


@pytest.mark.parametrize(
    "config",
    [
        {},
        dict(evaluation=dict(interval=3)),
        dict(evaluation=dict(interval=9, by_epoch=False)),
        dict(evaluation=dict(interval=9, start=1)),  # it counts from the start
        dict(lr_config=dict(policy="step", step=[2, 5])),
        dict(optimizer_config=dict(update_interval=30)),
        dict(lr_config=dict(policy="x", warmup="linear", warmup_iters=5)),
        dict(total_epochs=3, runner=dict(max_epochs=3)),
        dict(checkpoint_config=dict(interval=3, save_last=False)),
        dict(checkpoint_config=dict(interval=9)),
        dict(custom_hooks=[dict(type="A", x=1), dict(type="A", x=2)]),
    ],
)
def test_nothing_to_say(config: dict[str, Any]) -> None:
    assert lines(config) == ""


@pytest.mark.parametrize("section", ["evaluation", "checkpoint_config"])
def test_epochs_of_a_run_that_counts_iterations(section: str) -> None:
    config = {section: dict(interval=2, by_epoch=True)}
    assert f"{section}.by_epoch=True waits" in lines(config, epochs=None, iters=9)
    assert lines({section: dict(interval=2)}, epochs=None, iters=9) == ""


@pytest.mark.parametrize(
    ("optimizer", "pattern"),
    [
        (dict(paramwise_options={r"\.biass$": dict(lr=0.0)}), r"biass$"),
        (dict(paramwise_cfg=dict(custom_keys=dict(neck=dict(lr_mult=0.1)))), "neck"),
    ],
)
def test_options_for_parameters_that_are_not_there(optimizer: Any, pattern: str) -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    said = lines(dict(optimizer=optimizer), model=model)
    assert pattern in said
    assert "no parameter of the model has" in said
    shared = {"weight": dict(weight_decay=0.0), "cls_token": dict(weight_decay=0.0)}
    assert lines(dict(optimizer=dict(paramwise_options=shared)), model=model) == ""
    known = dict(paramwise_options={r"\.bias$": dict(lr=0.0)})
    assert lines(dict(optimizer=known), model=model) == ""


def test_hooks_between_epochs_that_are_not_counted() -> None:
    ema = HOOKS.build(dict(type="EMAHook"))
    found = lines({}, Between(), Within(), ema, epochs=None, iters=5)
    assert "custom_hooks: Between acts between epochs" in found
    assert "EMAHook acts between epochs" in found
    assert "WeightAverageHook" in found
    assert "Within" not in found
    assert lines({}, Between(), ema) == ""


def test_a_hook_that_the_method_needs_is_missing() -> None:
    model = SimpleNamespace(needed_hooks=("MomentumUpdateHook", "SMoGHook"))
    found = lines({}, HOOKS.build(dict(type="BYOLHook")), model=model)  # another name of the first
    assert "needs SMoGHook, which is not there" in found
    assert "MomentumUpdateHook" not in found


@pytest.mark.parametrize("path", SMALL_CONFIGS, ids=lambda path: path.parent.name)
def test_the_configs_have_the_hooks_of_their_method(path: Path) -> None:
    cfg = Config.fromfile(str(path))
    hooks = {HOOKS.get(hook["type"]) for hook in cfg.get("custom_hooks", [])}
    for name in ALGORITHMS.get(cfg.model.type).needed_hooks:
        assert HOOKS.get(name) in hooks


def test_methods_whose_target_is_moved_by_a_hook_say_so() -> None:
    kinds = {cls.__name__: cls.needed_hooks for cls in ALGORITHMS.module_dict.values()
             if hasattr(cls, "needed_hooks")}  # fmt: skip
    for name in ("BYOL", "DINO", "MoCoV3", "MSN", "IJEPA", "TiCo"):
        assert "MomentumUpdateHook" in kinds[name]
    assert kinds["SimCLR"] == kinds["MoCo"] == ()  # MoCo moves its target itself
