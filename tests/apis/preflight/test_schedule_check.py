"""Schedules that end before the training are refused before the first iteration."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmcv.runner import HOOKS
from torch import nn

from mmselfsup.apis.preflight.schedule_check import check_schedules
from mmselfsup.utils.errors import UserError


def check(hook: dict[str, Any], epochs: int | None = 3, iters: int | None = None) -> None:
    optimizer = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1, momentum=0.9)
    runner: Any = SimpleNamespace(
        hooks=[HOOKS.build(hook)], optimizer=optimizer, max_epochs=epochs, max_iters=iters
    )
    check_schedules(runner, 10)


def restarts(*periods: int, **kwargs: Any) -> dict[str, Any]:
    weights = [1] * len(periods)
    hook = dict(type="CosineRestartLrUpdaterHook", periods=periods, restart_weights=weights)
    return {**hook, "min_lr": 0.0, **kwargs}


def test_periods_that_are_too_short() -> None:
    with pytest.raises(UserError, match=r"no value after 2 epochs .* training has 3 epochs"):
        check(restarts(1, 1))
    with pytest.raises(UserError, match=r"no value after 5 iterations .* has 9 iterations"):
        check(restarts(5, by_epoch=False), None, 9)
    check(restarts(1, 2))
    check(restarts(10, 20, by_epoch=False))


def test_negative_values() -> None:
    with pytest.raises(UserError, match=r"lr_config: .* gives lr=-0\.1 after 1 epoch"):
        check(dict(type="ExpLrUpdaterHook", gamma=-1.0))


@pytest.mark.parametrize(
    "hook",
    [
        dict(type="CosineAnnealingLrUpdaterHook", min_lr=0.0),
        dict(type="OneCycleLrUpdaterHook", max_lr=0.1),
        dict(type="CyclicLrUpdaterHook"),
        dict(type="CyclicMomentumUpdaterHook"),
        dict(type="PolyLrUpdaterHook", power=0.9),
        dict(type="FlatCosineAnnealingLrUpdaterHook", min_lr=0.0),
        dict(type="ReduceLROnPlateauLrUpdaterHook"),
    ],
)
def test_what_fits_any_length(hook: dict[str, Any]) -> None:
    check(hook)
    check(hook, 1000)
