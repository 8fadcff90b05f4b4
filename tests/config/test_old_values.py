"""Values of old configs that mean something are accepted; what is certainly wrong is not."""

from typing import Any

import pytest

from mmselfsup.config.schema import value_fault
from mmselfsup.datasets import build_dataloader


def fault(path: str, value: Any) -> bool:
    """Return whether a config with one value is refused."""
    section, _, key = path.partition(".")
    return value_fault({section: {key: value} if key else value}, section) is not None


@pytest.mark.parametrize("value", [0, 1, True, False])
@pytest.mark.parametrize(
    "path",
    ["data.persistent_workers", "data.drop_last", "data.pin_memory", "data.shuffle",
     "persistent_workers", "evaluation.by_epoch", "checkpoint_config.save_last",
     "optimizer.nesterov", "lr_config.by_epoch"],
)  # fmt: skip
def test_zero_and_one_are_switches(path: str, value: Any) -> None:
    assert not fault(path, value)


@pytest.mark.parametrize("value", [2, -1, "True", [], 1.5])
def test_other_values_are_no_switch(value: Any) -> None:
    assert fault("data.drop_last", value)
    assert fault("persistent_workers", value)


@pytest.mark.parametrize(
    ("path", "good", "wrong"),
    [
        ("optimizer.momentum", (0, 0.9, 1), (-0.1, 1.1)),
        ("lr_config.min_lr", (0, 0.0, 1e-6, None), (-1e-6,)),
        ("checkpoint_config.max_keep_ckpts", (-1, 0, 3), (-2, 0.5)),
    ],
)
def test_limits(path: str, good: Any, wrong: Any) -> None:
    assert [value for value in good if fault(path, value)] == []
    assert [value for value in wrong if not fault(path, value)] == []


def test_the_loader_takes_one_for_true() -> None:
    assert len(build_dataloader(list(range(5)), 2, workers_per_gpu=0, drop_last=1)) == 2
