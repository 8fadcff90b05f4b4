"""A run that is shortened keeps its warm-up, and its learning rate may never be reached."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mmselfsup.apis.preflight.no_effect import long_warmup

EPOCHS = SimpleNamespace(max_epochs=2, max_iters=None)
ITERATIONS = SimpleNamespace(max_epochs=None, max_iters=12)


@pytest.mark.parametrize("runner", [EPOCHS, ITERATIONS])
@pytest.mark.parametrize(
    ("warmup", "by_epoch", "warns"),
    [(2, True, True), (1, True, False), (12, False, True), (11, False, False)],
)
def test_a_warm_up_as_long_as_the_training_is_reported(
    runner: Any, warmup: int, by_epoch: bool, warns: bool
) -> None:
    policy = dict(warmup="linear", warmup_iters=warmup, warmup_by_epoch=by_epoch)
    line = "the warm-up (12 iterations) is not shorter than the training (12)"
    assert (line in long_warmup(policy, runner, 6)) is warns


@pytest.mark.parametrize("lr_config", [None, dict(policy="fixed", warmup_iters=99)])
def test_no_warm_up_no_line(lr_config: Any) -> None:
    assert long_warmup(lr_config, EPOCHS, 6) == ""
