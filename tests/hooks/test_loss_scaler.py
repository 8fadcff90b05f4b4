"""Loss scaling as on a GPU, by torch's own scaler for CPUs, against the plain step.

Scales are powers of two, so that scaled and plain gradients are equal to the last bit.
"""

import copy
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv.runner import Hook
from torch.utils._python_dispatch import TorchDispatchMode

from mmselfsup.core.hooks import CheckpointHook, GradAccumFp16OptimizerHook, optimizer_hook
from mmselfsup.core.optimizer import build_optimizer
from mmselfsup.core.runner import NonFiniteLossError, TensorLogBuffer
from tests.hooks.conftest import TinyModel

Make = Callable[..., Any]

OPTIMIZERS = {
    "SGD": dict(type="SGD", lr=0.1, momentum=0.9, weight_decay=1e-3),
    "AdamW": dict(type="AdamW", lr=0.01, weight_decay=0.1),
    "LARS": dict(type="LARS", lr=1.0, momentum=0.9, weight_decay=1e-3, eta=0.1),
    "nesterov": dict(type="LARS", lr=1.0, momentum=0.9, weight_decay=1e-3, nesterov=True),
    "no momentum": dict(type="LARS", lr=1.0, weight_decay=1e-3),
    "dampening": dict(type="LARS", lr=1.0, momentum=0.9, dampening=0.5),
    "excluded": dict(
        type="LARS", lr=0.1, momentum=0.9, paramwise_options={"bn|bias": dict(lars_exclude=True)}
    ),
}


class Overflowing(TinyModel):
    """Has losses of which those of some batches are infinite, and takes no notice of precision."""

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.bad = 0, frozenset[int]()

    def forward(self, img: Any, mode: str = "train", label: Any = None, **kwargs: Any) -> Any:
        self.fp16_enabled = False
        losses = super().forward(img, mode, label, **kwargs)
        losses["loss"] = losses["loss"] * (math.inf if self.calls in self.bad else 1.0)
        self.calls += 1
        return losses


@pytest.fixture(autouse=True)
def scaling_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the hook scale on a CPU, where float16 is not in use and it would not."""
    real = torch.amp.GradScaler
    monkeypatch.setattr(
        optimizer_hook,
        "GradScaler",
        lambda device, enabled, **options: real(device, enabled=True, **options),
    )


@pytest.fixture
def scaled(make_runner: Make, make_loader: Make) -> Callable[..., Any]:
    """Train with a loss scaler; the runner has its start weights as ``start``."""

    def run(
        optimizer: str = "SGD",
        bad: Iterator[int] | Any = (),
        epochs: int = 3,
        hooks: Any = (),
        resume: str | None = None,
        **options: Any,
    ) -> Any:
        runner = make_runner(epochs=epochs)
        torch.manual_seed(0)
        runner.model = Overflowing()
        runner.model.bad = frozenset(bad)
        runner.start = copy.deepcopy(runner.model)
        runner.optimizer = build_optimizer(runner.model, OPTIMIZERS[optimizer])
        runner.scaling = GradAccumFp16OptimizerHook(**options)
        runner.register_hook(runner.scaling, priority="ABOVE_NORMAL")
        runner.norms = []
        update = runner.log_buffer.update
        runner.log_buffer.update = lambda values, count=1: (
            runner.norms.append(values["grad_norm"]) if "grad_norm" in values else None,
            update(values, count),
        )
        for hook in hooks:
            runner.register_hook(hook)
        if resume:
            runner.resume(resume)
            runner.model.calls = runner.iter
        runner.run([make_loader(length=16)], [("train", 1)])  # 4 batches an epoch
        return runner

    return run


def plain(
    runner: Any, loader: Any, optimizer: str, interval: int, max_norm: float | None, skipped: Any
) -> tuple[Any, list[float]]:
    """The same training without a scaler, and without the steps number ``skipped``."""
    model = runner.start
    steps = build_optimizer(model, OPTIMIZERS[optimizer])
    batches = [*loader] * 3
    norms = []
    for number, start in enumerate(range(0, len(batches), interval)):
        steps.zero_grad()
        step = batches[start : start + interval]
        for batch in step:
            (TinyModel.forward(model, **batch)["loss"] / len(step)).backward()
        grads = [p.grad for p in model.parameters()]
        norms.append(float(torch.linalg.vector_norm(torch.stack([g.norm() for g in grads]))))
        if max_norm is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        if number not in skipped:
            steps.step()
    return model, norms


def same(first: Any, second: Any) -> None:
    for (name, a), b in zip(first.state_dict().items(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("interval", "max_norm"), [(1, None), (3, None), (1, 0.1), (3, 0.1)])
@pytest.mark.parametrize("loss_scale", [512.0, "dynamic"])
def test_equals_the_plain_step(
    optimizer: str,
    interval: int,
    max_norm: float | None,
    loss_scale: Any,
    scaled: Callable[..., Any],
    make_loader: Make,
) -> None:
    runner = scaled(
        optimizer,
        update_interval=interval,
        grad_clip=None if max_norm is None else dict(max_norm=max_norm),
        loss_scale=loss_scale,
    )
    model, norms = plain(runner, make_loader(length=16), optimizer, interval, max_norm, ())
    same(runner.model, model)
    assert [float(norm) for norm in runner.norms] == pytest.approx(norms, rel=1e-6)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("interval", [1, 3])
@pytest.mark.parametrize("skipped", [(0,), (1, 2)])  # the first step, which starts the momentum
def test_a_step_that_overflows_changes_nothing(
    optimizer: str,
    interval: int,
    skipped: tuple[int, ...],
    scaled: Callable[..., Any],
    make_loader: Make,
) -> None:
    bad = [number * interval for number in skipped]
    runner = scaled(optimizer, bad, update_interval=interval, loss_scale=dict(init_scale=64.0))
    model, _ = plain(runner, make_loader(length=16), optimizer, interval, None, skipped)
    same(runner.model, model)
    assert runner.scaling.loss_scaler.get_scale() == 64.0 / 2 ** len(skipped)
    assert runner.scaling.state_dict()["skipped"] == len(skipped)


def test_a_fixed_scale_stays_after_an_overflow(scaled: Callable[..., Any]) -> None:
    assert scaled("SGD", [1], loss_scale=512.0).scaling.loss_scaler.get_scale() == 512.0


def test_skipped_steps_are_counted_in_the_log_and_at_the_end(
    scaled: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    lines: list[dict[str, float]] = []

    class Lines(Hook):  # type: ignore[misc]
        def after_train_iter(self, runner: Any) -> None:
            if self.every_n_iters(runner, 4):
                runner.log_buffer.average(4)
                lines.append(dict(runner.log_buffer.output))
                runner.log_buffer.clear_output()

    with caplog.at_level("INFO"):
        scaled("SGD", [1, 5, 6], hooks=[Lines()], loss_scale="dynamic")
    assert [line.get("skipped_steps") for line in lines] == [1, 2, None]
    assert all(math.isfinite(line["loss"] + line["grad_norm"]) for line in lines)
    (said,) = [r.getMessage() for r in caplog.records if "loss scaler" in r.getMessage()]
    assert said == "the loss scaler skipped 3 of 12 steps, whose gradients were not finite"


def test_too_many_in_a_row_end_the_run(
    scaled: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optimizer_hook, "MAX_SKIPS", 3)
    scaled("SGD", [1, 2, 3, 5, 6, 7])
    message = r"skipped 4 steps in a row, up to iteration 5: .* lower optimizer.lr"
    with pytest.raises(NonFiniteLossError, match=message):
        scaled("SGD", [1, 2, 3, 4])


def test_a_loss_that_is_not_finite_and_was_not_skipped_ends_the_run() -> None:
    buffer = TensorLogBuffer()
    buffer.max_skips = 5
    for number, (loss, skipped) in enumerate([(1.0, 0.0), (math.nan, 1.0), (math.inf, 0.0)]):
        buffer.iteration = number
        buffer.update({"loss": torch.tensor(loss)})
        buffer.note_step(torch.tensor(skipped))
    with pytest.raises(NonFiniteLossError, match="not finite at iteration 3"):
        buffer.check()


class Reads(TorchDispatchMode):
    """Counts the numbers that the host reads from tensors: each one waits for a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def test_reads_are_counted() -> None:
    with Reads() as reads:
        torch.ones(()).item()
    assert reads.count == 1


@pytest.mark.parametrize("optimizer", [name for name in OPTIMIZERS if name != "dampening"])
@pytest.mark.parametrize("loss_scale", [512.0, "dynamic"])
def test_no_step_reads_from_the_device(
    optimizer: str, loss_scale: Any, scaled: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []
    step = GradAccumFp16OptimizerHook.after_train_iter

    def counted(self: Any, runner: Any) -> None:
        with Reads() as reads:
            step(self, runner)
        counts.append(reads.count)

    monkeypatch.setattr(GradAccumFp16OptimizerHook, "after_train_iter", counted)
    scaled(optimizer, [2], loss_scale=loss_scale, grad_clip=dict(max_norm=1.0))
    assert counts == [0] * 12


@pytest.mark.parametrize("by_meta", [False, True])
def test_the_scale_is_in_the_checkpoint(
    by_meta: bool, scaled: Callable[..., Any], tmp_path: Path
) -> None:
    options = dict(loss_scale=dict(init_scale=64.0, growth_interval=3), update_interval=1)
    whole = scaled("SGD", [1], hooks=[CheckpointHook(interval=1)], **options)
    file = tmp_path / "epoch_1.pth"
    state = torch.load(file, weights_only=True)
    assert "fp16" not in state["meta"]
    saved = state["hook_state"]["GradAccumFp16OptimizerHook"]
    assert (saved["steps"], saved["skipped"], saved["loss_scaler"]["scale"]) == (4, 1, 32.0)
    if by_meta:  # as earlier versions wrote it
        hook_state = state.pop("hook_state")["GradAccumFp16OptimizerHook"]
        state["meta"]["fp16"] = {"loss_scaler": hook_state["loss_scaler"]}
        torch.save(state, file)
    later = scaled("SGD", [], resume=str(file), **options)
    same(later.model, whole.model)
    first, second = (r.scaling.loss_scaler.state_dict() for r in (whole, later))
    assert first == second
    assert first["scale"] > 32.0, "the scale has grown: the counter of good steps continues too"
    if not by_meta:
        assert later.scaling.state_dict() == whole.scaling.state_dict()
