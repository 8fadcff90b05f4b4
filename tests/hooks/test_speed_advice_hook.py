"""One line says what limits a run, and names settings that are not in use."""

import copy
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from mmselfsup.core.hooks import DistOptimizerHook, SpeedAdviceHook
from mmselfsup.core.hooks.throughput_hooks import advice

Make = Callable[..., Any]


def fake(model: nn.Module, cache: Any = None, workers: int = 0) -> Any:
    source = SimpleNamespace(cache=cache)
    loader = SimpleNamespace(num_workers=workers, dataset=SimpleNamespace(data_source=source))
    return SimpleNamespace(model=model, data_loader=loader)


def test_waiting_for_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmselfsup.core.hooks.throughput_hooks.available_cores", lambda: 8)
    line = advice(fake(nn.Conv2d(3, 3, 3), workers=2), 51.26, 0.345)
    assert line.startswith("speed: 51.3 images/s, 34% of the time waiting for data; the data limit")
    assert "cache=dict(dir=..., short_side=256)" in line
    assert "data.workers_per_gpu above 2 (8 cores here)" in line
    line = advice(fake(nn.Conv2d(3, 3, 3), cache=object(), workers=8), 50, 0.3)
    assert line.endswith("try smaller images (cache.short_side)")


@pytest.mark.parametrize(
    ("gpus", "pipelines", "words"),
    [
        (1, None, "device_transforms=True in the data set"),
        (0, [object()], "device_transforms=False in the data set (it is for GPUs)"),
        (0, None, None),
        (1, [object()], None),
        (1, (), None),
    ],
)
def test_views_on_the_device_are_for_gpus(
    monkeypatch: pytest.MonkeyPatch, gpus: int, pipelines: Any, words: str | None
) -> None:
    monkeypatch.setattr("mmselfsup.core.hooks.throughput_hooks.num_gpus", lambda: gpus)
    runner = fake(nn.Conv2d(3, 3, 3))
    runner.data_loader.dataset.batched_pipelines = pipelines
    line = advice(runner, 50, 0.3)
    assert words in line if words else "device_transforms" not in line


def test_waiting_for_the_model() -> None:
    model = nn.Sequential(nn.Conv2d(3, 3, 3))
    line = advice(fake(model), 50, 0.01)
    assert line.endswith(
        "the model limits it: try amp=dict(dtype='auto'), channels_last=True, compile=True"
    )
    tuned = copy.deepcopy(model).to(memory_format=torch.channels_last)
    tuned.compile(backend="eager")
    tuned.amp_dtype = torch.bfloat16  # type: ignore[assignment]
    assert advice(fake(tuned), 50, 0.01).endswith("the model limits it")
    assert "channels_last" not in advice(fake(nn.Linear(2, 2)), 50, 0.01)


def test_it_is_said_once_after_an_epoch(
    make_runner: Make, make_loader: Make, caplog: pytest.LogCaptureFixture
) -> None:
    runner = make_runner(epochs=3)
    runner.register_hook(DistOptimizerHook())
    runner.register_hook(SpeedAdviceHook())
    with caplog.at_level(logging.INFO, logger=runner.logger.name):
        runner.logger.propagate = True
        runner.run([make_loader(length=16)], [("train", 1)])
    lines = [r.getMessage() for r in caplog.records if r.getMessage().startswith("speed:")]
    assert len(lines) == 1
