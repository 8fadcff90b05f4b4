"""Steps out of several batches, frozen layers, gradient norm, mixed precision."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from mmcv.runner import HOOKS, Hook

from mmselfsup.core.hooks import DistOptimizerHook, GradAccumFp16OptimizerHook
from mmselfsup.core.hooks.optimizer_hook import clip_each, make_scaler
from mmselfsup.utils.errors import UserError

Make = Callable[..., Any]


def slow_training(
    runner: Any, batches: list[Any], interval: int, max_norm: float | None = None
) -> list[float]:
    """The same training written as a plain loop; returns the gradient norm of each step."""
    model = copy.deepcopy(runner.model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    norms = []
    for start in range(0, len(batches), interval):
        step = batches[start : start + interval]
        optimizer.zero_grad()
        for batch in step:
            (model(**batch)["loss"] / len(step)).backward()
        grads = torch.cat([p.grad.flatten() for p in model.parameters()])
        norms.append(float(grads.norm()))
        if max_norm is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
    runner.expected = model
    return norms


class Norms:
    """Collects what the hook logs."""

    def __init__(self, runner: Any) -> None:
        self.values: list[torch.Tensor] = []
        self._update = runner.log_buffer.update
        runner.log_buffer.update = self

    def __call__(self, variables: dict[str, Any], count: int = 1) -> None:
        if "grad_norm" in variables:
            self.values.append(variables["grad_norm"])
        self._update(variables, count)


@pytest.mark.parametrize(("interval", "max_norm"), [(1, None), (2, None), (3, None), (2, 0.1)])
def test_equals_plain_loop(
    interval: int, max_norm: float | None, make_runner: Make, make_loader: Make
) -> None:
    runner, loader = make_runner(epochs=2), make_loader(length=20)  # 5 batches: 10 iterations
    norms = slow_training(runner, [*loader, *loader], interval, max_norm)
    logged = Norms(runner)
    grad_clip = None if max_norm is None else dict(max_norm=max_norm)
    runner.register_hook(DistOptimizerHook(interval, grad_clip=grad_clip))
    runner.run([loader], [("train", 1)])
    for a, b in zip(runner.model.parameters(), runner.expected.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)
    assert all(isinstance(norm, torch.Tensor) for norm in logged.values), "no host sync"
    assert [float(norm) for norm in logged.values] == pytest.approx(norms, rel=1e-5)


@pytest.mark.parametrize("norm_type", [2.0, 1.0, float("inf")])
def test_each_parameter_is_clipped_by_its_own_norm(
    norm_type: float, make_runner: Make, make_loader: Make
) -> None:
    runner, loader = make_runner(lr=1.0), make_loader(length=4)  # one batch
    runner.optimizer = torch.optim.SGD(runner.model.parameters(), lr=1.0)
    reference = copy.deepcopy(runner.model)
    for batch in loader:
        reference(**batch)["loss"].backward()
    total = float(torch.cat([p.grad.flatten() for p in reference.parameters()]).norm())
    limit = float(reference.backbone.bn1.weight.grad.norm(norm_type))  # some are above, some below
    clipped = 0
    with torch.no_grad():
        for param in reference.parameters():  # DINO's loop
            factor = limit / (param.grad.norm(norm_type) + 1e-6)
            clipped += int(factor < 1)
            param -= param.grad * min(float(factor), 1.0)
    assert 0 < clipped < len(list(reference.parameters()))
    logged = Norms(runner)
    grad_clip = dict(per_parameter=True, max_norm=limit, norm_type=norm_type)
    runner.register_hook(DistOptimizerHook(grad_clip=grad_clip))
    runner.run([loader], [("train", 1)])
    for a, b in zip(runner.model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)
    assert [float(norm) for norm in logged.values] == pytest.approx([total], rel=1e-5)
    assert grad_clip["per_parameter"], "the config stays as it was"


def test_parameters_without_a_gradient_are_left_out() -> None:
    clip_each([torch.zeros(3, requires_grad=True)], max_norm=1.0)
    with_grad, frozen = torch.zeros(2, requires_grad=True), torch.zeros(2)
    with_grad.grad = torch.tensor([3.0, 4.0])
    clip_each([frozen, with_grad], max_norm=1.0)
    torch.testing.assert_close(with_grad.grad, torch.tensor([0.6, 0.8]), rtol=1e-5, atol=1e-6)


def test_last_step_of_fewer_batches_is_their_mean(make_runner: Make, make_loader: Make) -> None:
    hook, runner = DistOptimizerHook(update_interval=4), make_runner()
    runner._max_iters = 10
    sizes = []
    for runner._iter in range(10):
        sizes.append(hook._num_batches(runner))
    assert sizes == [4] * 8 + [2] * 2
    hook._first_iter = runner._iter = 6  # resumed: two batches of the step are lost
    assert hook._num_batches(runner) == 2


def test_layers_frozen_at_the_start(make_runner: Make, make_loader: Make) -> None:
    runner = make_runner(epochs=3)
    start = copy.deepcopy(runner.model.state_dict())
    weights = []

    class Watch(Hook):  # type: ignore[misc]
        def after_train_iter(self, runner: Any) -> None:
            weights.append(copy.deepcopy(runner.model.state_dict()))

    runner.register_hook(DistOptimizerHook(frozen_layers_cfg={"head": 2}), priority=40)
    runner.register_hook(Watch())
    runner.run([make_loader()], [("train", 1)])
    moved = [not torch.equal(w["head.weight"], start["head.weight"]) for w in weights]
    assert moved == [False, False, True, True, True, True]
    assert not torch.equal(weights[0]["backbone.conv1.weight"], start["backbone.conv1.weight"])


def test_exchange_of_gradients_once_a_step(make_runner: Make, make_loader: Make) -> None:
    events: list[str] = []

    class Wrapped(torch.nn.Module):
        """As DistributedDataParallel behaves."""

        def __init__(self, module: torch.nn.Module) -> None:
            super().__init__()
            self.module = module

        def forward(self, **data: Any) -> Any:
            events.append("forward")
            return self.module(**data)

        def no_sync(self) -> Any:
            class Context:
                def __enter__(self) -> None:
                    events.append("off")

                def __exit__(self, *args: Any) -> None:
                    events.append("on")

            return Context()

    runner = make_runner()
    runner.model = Wrapped(runner.model)
    runner.register_hook(DistOptimizerHook(update_interval=2))
    runner.run([make_loader(length=12)], [("train", 1)])
    assert events == ["off", "forward", "on", "forward", "forward"]


@pytest.mark.parametrize("loss_scale", ["dynamic", 512.0, 1, dict(init_scale=8.0)])
def test_mixed_precision_on_the_cpu(loss_scale: Any, make_runner: Make, make_loader: Make) -> None:
    runner, loader = make_runner(epochs=3), make_loader()
    first = runner.model(**next(iter(loader)))["loss"].item()
    hook = GradAccumFp16OptimizerHook(
        update_interval=2, grad_clip=dict(max_norm=5.0), loss_scale=loss_scale, distributed=False
    )
    runner.register_hook(hook)
    runner.run([loader], [("train", 1)])
    assert runner.model.seen_dtype is torch.bfloat16
    assert all(param.dtype is torch.float32 for param in runner.model.parameters())
    assert runner.model(**next(iter(loader)))["loss"].item() < first


def test_module_path_of_0x() -> None:
    from mmselfsup.core.hooks import optimizer_hook

    assert optimizer_hook.DistOptimizerHook is HOOKS.get("DistOptimizerHook")
    assert optimizer_hook.GradAccumFp16OptimizerHook is HOOKS.get("GradAccumFp16OptimizerHook")


def test_on_a_cpu_nothing_is_scaled_unless_a_test_asks_for_it() -> None:
    scaler, fixed = make_scaler(512, "cpu")
    assert (fixed, scaler.is_enabled()) == (512.0, False)
    assert make_scaler("dynamic", "cpu")[1] is None


@pytest.mark.parametrize("bad", ["static", None, [512]])
def test_bad_loss_scale(bad: Any) -> None:
    with pytest.raises(UserError, match="loss_scale"):
        GradAccumFp16OptimizerHook(loss_scale=bad)


@pytest.mark.parametrize("bad", [0, -1, 1.5])
def test_bad_interval(bad: Any) -> None:
    with pytest.raises(UserError, match="update_interval"):
        DistOptimizerHook(update_interval=bad)


def test_a_model_need_not_count_its_samples(make_runner: Make, make_loader: Make) -> None:
    """The norm is then logged as that of one sample: models for mmcv may give a loss only."""
    runner, loader = make_runner(), make_loader(length=8)
    step = runner.model.train_step
    runner.model.train_step = lambda *args, **kwargs: {"loss": step(*args, **kwargs)["loss"]}
    logged = Norms(runner)
    runner.register_hook(DistOptimizerHook())
    runner.run([loader], [("train", 1)])
    assert len(logged.values) == len(loader)
    assert all(norm > 0 for norm in logged.values)
