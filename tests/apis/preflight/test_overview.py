"""The table of what will run: intervals and checkpoints in the unit of their hooks."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from mmselfsup.apis.preflight.overview import _checkpoints, _logs
from mmselfsup.core.hooks import CheckpointHook


def runner_of(work_dir: Path, hook: CheckpointHook, **length: int) -> Any:
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    facts: dict[str, Any] = {"max_epochs": None, "max_iters": None, **length}
    return SimpleNamespace(
        hooks=[hook], model=model, optimizer=optimizer, work_dir=str(work_dir), **facts
    )


@pytest.mark.parametrize(
    ("options", "length", "number", "said"),
    [
        ({"interval": 10}, {"max_epochs": 100}, 10, "every 10 epochs"),
        ({"interval": 1000, "by_epoch": False}, {"max_epochs": 100}, 50, "every 1000 iterations"),
        ({"interval": 10, "by_epoch": False}, {"max_iters": 100}, 10, "every 10 iterations"),
        ({"interval": -1}, {"max_epochs": 100}, 1, "at the end"),
    ],
)
def test_checkpoints(
    tmp_path: Path, options: dict[str, Any], length: dict[str, int], number: int, said: str
) -> None:
    """An epoch has 500 iterations."""
    runner = runner_of(tmp_path, CheckpointHook(**options), **length)
    assert _checkpoints(runner, 500)[1] == number
    assert f"checkpoint {said}" in _logs(runner, 500)
