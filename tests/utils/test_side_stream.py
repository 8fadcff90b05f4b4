"""The side stream of a GPU, told by what is asked of it: who waits for whom, and what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

from mmselfsup.datasets.batched.loader import DeviceLoader
from mmselfsup.utils import side_stream
from mmselfsup.utils.side_stream import beside_step

GPU = torch.device("cuda", 0)


class Stream:
    """Notes what is asked of it."""

    def __init__(self, name: str, calls: list[str]) -> None:
        self.name, self.calls = name, calls

    def wait_stream(self, other: Stream) -> None:
        self.calls.append(f"{self.name} waits for {other.name}")

    def synchronize(self) -> None:
        raise AssertionError("the host waits")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A GPU that only notes the calls; tensors of ``meta`` stand for its tensors."""
    calls: list[str] = []
    now = [Stream("main", calls)]

    @contextmanager
    def entered(stream: Stream) -> Iterator[None]:
        now.append(stream)
        yield
        now.pop()

    def record(tensor: Tensor, stream: Stream) -> None:
        calls.append(f"{stream.name} keeps {tuple(tensor.shape)}")

    monkeypatch.setattr(torch.cuda, "Stream", lambda device: Stream("side", calls))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device=None: now[-1])
    monkeypatch.setattr(torch.cuda, "stream", entered)
    monkeypatch.setattr(Tensor, "record_stream", record)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda *_: pytest.fail("the host waits"))
    side_stream._side_stream.cache_clear()
    yield calls
    side_stream._side_stream.cache_clear()


def note(calls: list[str], what: str) -> None:
    stream: Any = torch.cuda.current_stream(GPU)
    calls.append(f"{what} in {stream.name}")


def test_the_order_of_the_calls(calls: list[str]) -> None:
    def make() -> dict[str, Any]:
        note(calls, "copies")
        views = [torch.empty(2, 3, device="meta"), torch.empty(4, device="meta")]
        return {"img": views, "idx": torch.zeros(5), "name": "a"}

    beside_step(make, GPU)
    note(calls, "step")
    assert calls == [
        "side waits for main",  # once: what was queued before may be read
        "copies in side",
        "main waits for side",
        "main keeps (2, 3)",
        "main keeps (4,)",  # and not what lies on the host
        "step in main",
    ]
    calls.clear()
    beside_step(make, GPU)
    assert calls[0] == "copies in side", "the second batch does not wait for the step"


def test_a_cpu_has_no_side_stream(calls: list[str]) -> None:
    assert beside_step(lambda: 3, torch.device("cpu")) == 3
    assert calls == []


class Noting(DeviceLoader):
    """Notes where it works."""

    calls: list[str]

    def finish(self, batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
        note(self.calls, f"batch {batch['n']}")
        return batch


def test_a_loader_works_beside_the_step(calls: list[str]) -> None:
    loader = Noting([{"n": 0}, {"n": 1}], GPU)
    loader.calls = calls
    loader.listeners.append(lambda: note(calls, "arrived"))
    for batch in loader:
        note(calls, f"step {batch['n']}")
    assert calls[1:] == [
        "arrived in side", "batch 0 in side", "main waits for side", "step 0 in main",
        "arrived in side", "batch 1 in side", "main waits for side", "step 1 in main",
    ]  # fmt: skip
