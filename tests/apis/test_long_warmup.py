"""A run that is shortened keeps its warm-up, and its learning rate may never be reached."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from mmcv import Config

from mmselfsup.apis.preflight import report_long_warmup

EPOCHS = SimpleNamespace(max_epochs=2, max_iters=None)
ITERATIONS = SimpleNamespace(max_epochs=None, max_iters=12)


@pytest.mark.parametrize("runner", [EPOCHS, ITERATIONS])
@pytest.mark.parametrize(
    ("warmup", "by_epoch", "warns"),
    [(2, True, True), (1, True, False), (12, False, True), (11, False, False)],
)
def test_a_warm_up_as_long_as_the_training_is_reported(
    runner: Any, warmup: int, by_epoch: bool, warns: bool, caplog: Any
) -> None:
    policy = dict(warmup="linear", warmup_iters=warmup, warmup_by_epoch=by_epoch)
    cfg = Config(dict(lr_config=policy))
    report_long_warmup(cfg, runner, range(6), logging.getLogger())
    line = "the warm-up (12 iterations) is not shorter than the training (12)"
    assert (line in caplog.text) is warns


@pytest.mark.parametrize("lr_config", [None, dict(policy="fixed", warmup_iters=99)])
def test_no_warm_up_no_line(lr_config: Any, caplog: Any) -> None:
    report_long_warmup(Config(dict(lr_config=lr_config)), EPOCHS, range(6), logging.getLogger())
    assert not caplog.text
