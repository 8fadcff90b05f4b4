"""What a resume says of the optimizer of MMSelfSup 0.x: only what differs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from mmcv import Config

from mmselfsup.apis.training.resume import compare
from mmselfsup.core.optimizer.optimizers import LARS


def changes(weight_decay: float) -> list[Any]:
    """Return the changes from a checkpoint of 0.x, in which a group names only its own options."""
    weight, bias = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    excluded = dict(weight_decay=0.0, lars_exclude=True)
    options: dict[str, Any] = dict(lr=0.1, momentum=0.9)
    optimizer = LARS(
        [dict(params=[weight]), dict(params=[bias], **excluded)], weight_decay=1e-6, **options
    )
    old = [
        dict(params=[0], weight_decay=weight_decay, **options),
        dict(params=[1], **options, **excluded),
    ]
    state = {"optimizer": {"state": {}, "param_groups": old}}
    runner: Any = SimpleNamespace(optimizer=optimizer)
    return compare(state, runner, Config({}), {})


def test_an_option_that_only_some_groups_name_is_no_change() -> None:
    assert changes(weight_decay=1e-6) == []


def test_another_option_is() -> None:
    (change,) = changes(weight_decay=1e-4)
    assert (change.name, change.was, change.now) == (
        "optimizer.weight_decay",
        "0.0001, 0.0",
        "1e-06, 0.0",
    )
