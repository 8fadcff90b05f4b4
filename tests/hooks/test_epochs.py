"""Hooks that act between epochs refuse a runner that has none."""

from types import SimpleNamespace

import pytest
import torch

from mmselfsup.core.hooks import ProbeFirstHook, SimSiamHook, SwAVHook
from mmselfsup.utils.errors import UserError


@pytest.mark.parametrize(
    ("hook", "advice"),
    [
        (SimSiamHook(True, 0.1), "adjust_by_epoch=False"),
        (SwAVHook(queue_length=8), "queue_length=0"),
        (ProbeFirstHook(epochs=1), "EpochBasedRunner"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_refused(hook, advice):
    runner = SimpleNamespace(max_epochs=None, model=torch.nn.Linear(1, 1), hooks=[])
    with pytest.raises(UserError, match=f"{type(hook).__name__}: .* no epochs.*{advice}"):
        hook.before_run(runner)


def test_what_needs_no_epochs_is_accepted():
    runner = SimpleNamespace(max_epochs=None, model=torch.nn.Linear(1, 1), hooks=[])
    SimSiamHook(True, 0.1, adjust_by_epoch=False).before_run(runner)
    SwAVHook(queue_length=0).before_run(runner)
