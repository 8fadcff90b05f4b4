"""The tensor log buffer against mmcv's buffer of numbers."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.runner import LogBuffer

from mmselfsup.core.runner import TensorLogBuffer
from mmselfsup.utils.errors import UserError

values = st.lists(
    st.tuples(st.floats(-1e3, 1e3, width=32), st.integers(1, 64)), min_size=1, max_size=30
)


@settings(max_examples=30, deadline=None)
@given(values, st.integers(0, 8))
def test_averages_like_mmcv(pairs: list[tuple[float, int]], n: int) -> None:
    ours, theirs = TensorLogBuffer(), LogBuffer()
    for number, (value, count) in enumerate(pairs):
        ours.iteration = number
        ours.update({"loss": torch.tensor(value), "time": value / 2}, count)
        theirs.update({"loss": value, "time": value / 2}, count)
        if number == len(pairs) // 2:  # a log line in between must not matter
            ours.average(n)
    ours.average(n)
    theirs.average(n)
    assert ours.ready
    assert dict(ours.output) == pytest.approx(dict(theirs.output), rel=1e-9, abs=1e-9)


def test_values_are_read_late_and_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    tolist = torch.Tensor.tolist
    monkeypatch.setattr(
        torch.Tensor, "tolist", lambda self: (reads.append(self.numel()), tolist(self))[1]
    )
    buffer = TensorLogBuffer()
    for number in range(5):
        buffer.update({"loss": torch.tensor(float(number)), "acc": torch.tensor([1.0])})
    assert not reads
    buffer.average()
    assert reads == [10]
    buffer.average()
    assert reads == [10]
    assert buffer.output["loss"] == 2.0


def test_scaling_a_loss_in_place_does_not_change_the_log() -> None:
    buffer = TensorLogBuffer()
    loss = torch.tensor(4.0, requires_grad=True) * 1
    buffer.update({"loss": loss.detach()})
    with torch.no_grad():
        loss /= 4
    buffer.average()
    assert buffer.output["loss"] == 4.0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_first_loss_that_is_not_finite_stops(bad: float) -> None:
    buffer = TensorLogBuffer()
    for number, value in enumerate([1.0, bad, math.nan]):
        buffer.iteration = number
        buffer.update({"loss_a": torch.tensor(0.5), "loss": torch.tensor(value)})
    with pytest.raises(
        UserError, match=r"not finite at iteration 2 \(loss_a 0.5, loss (nan|-?inf)"
    ):
        buffer.check()


def test_validation_losses_may_be_anything() -> None:
    buffer = TensorLogBuffer()
    buffer.update({"loss": torch.tensor(math.nan)})
    buffer.average()
    assert math.isnan(buffer.output["loss"])


def test_clear_forgets_what_waits() -> None:
    buffer = TensorLogBuffer()
    buffer.update({"loss": torch.tensor(1.0)})
    buffer.clear()
    buffer.average()
    assert not buffer.output


@pytest.mark.parametrize("iteration", [0, 1, 5])
def test_a_step_skipped_in_the_last_iteration_is_counted(iteration: int) -> None:
    buffer = TensorLogBuffer()
    buffer.max_skips = 3
    for number in range(iteration + 1):
        buffer.iteration = number
        buffer.update({"loss": torch.tensor(1.0)})
        buffer.note_step(torch.tensor(float(number == iteration)))
    buffer.average(1)
    assert buffer.output["skipped_steps"] == 1


def test_bad_input() -> None:
    buffer = TensorLogBuffer()
    with pytest.raises(ValueError, match="loss must have one element"):
        buffer.update({"loss": torch.zeros(3)})
    with pytest.raises(TypeError, match="must be a dict"):
        buffer.update([1.0])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="-1"):
        buffer.average(-1)
