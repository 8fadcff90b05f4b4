"""The hooks of BYOL, SimSiam and DenseCL: what they set, and when."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv.runner import HOOKS, Hook

from mmselfsup.core.hooks import BYOLHook, DenseCLHook, MomentumUpdateHook, SimSiamHook
from mmselfsup.core.hooks.weight_average_hook import WeightAverageHook
from mmselfsup.models import ALGORITHMS
from mmselfsup.utils.errors import UserError
from tests.hooks.conftest import TinyModel
from tests.resume.test_methods import train


class Following(TinyModel):
    """Writes down with which momentum and at which weights its target was moved."""

    def __init__(self) -> None:
        super().__init__()
        self.base_momentum = self.momentum = 0.9
        self.loss_lambda = 0.5
        self.updates: list[tuple[float, float]] = []
        self.lambdas: list[float] = []

    def momentum_update(self) -> None:
        self.updates.append((self.momentum, self.head.weight[0, 0].item()))

    def forward(self, img: Any, mode: str = "train", label: Any = None, **kwargs: Any) -> Any:
        self.lambdas.append(self.loss_lambda)
        return super().forward(img, mode, label, **kwargs)


@pytest.fixture
def make_following(make_runner: Callable[..., Any]) -> Callable[..., Any]:
    """A runner around :class:``Following``, with our optimizer hook."""

    def make(update_interval: int = 1, **kwargs: Any) -> Any:
        runner = make_runner(**kwargs)
        runner.model = Following()
        runner.optimizer = torch.optim.SGD(runner.model.parameters(), lr=0.1)
        runner.register_training_hooks(
            None,
            optimizer_config=dict(type="DistOptimizerHook", update_interval=update_interval),
        )
        return runner

    return make


def slow_schedule(base: float, end: float, iters: int) -> list[float]:
    return [end - (end - base) * (math.cos(math.pi * i / iters) + 1) / 2 for i in range(iters)]


def test_momentum_rises_on_a_cosine(
    make_following: Callable[..., Any], make_loader: Callable[..., Any]
) -> None:
    runner = make_following(epochs=3)
    runner.register_hook(MomentumUpdateHook(end_momentum=0.99))
    runner.run([make_loader()], [("train", 1)])
    moments = [momentum for momentum, _ in runner.model.updates]
    assert moments == pytest.approx(slow_schedule(0.9, 0.99, 6))
    assert moments[0] == 0.9


def test_target_follows_the_step_of_its_iteration(
    make_following: Callable[..., Any], make_loader: Callable[..., Any]
) -> None:
    runner = make_following(iters=3)
    runner.register_hook(MomentumUpdateHook())
    start = runner.model.head.weight[0, 0].item()
    runner.run([make_loader()], [("train", 1)])
    seen = [weight for _, weight in runner.model.updates]
    assert len({start, *seen}) == 4  # a new value each time, never the one at the start
    assert seen[-1] == runner.model.head.weight[0, 0].item()


@pytest.mark.parametrize("asked", [None, 2])
def test_target_follows_the_steps_of_the_optimizer(
    asked: int | None, make_following: Callable[..., Any], make_loader: Callable[..., Any]
) -> None:
    runner = make_following(update_interval=2, iters=7)
    runner.register_hook(MomentumUpdateHook(update_interval=asked))
    runner.run([make_loader()], [("train", 1)])
    moments = [momentum for momentum, _ in runner.model.updates]
    expected = slow_schedule(0.9, 1.0, 7)
    # The optimizer steps after 2, 4, 6 batches, and after the last one.
    assert moments == pytest.approx([expected[i] for i in (1, 3, 5, 6)])
    assert len({weight for _, weight in runner.model.updates}) == 4


@pytest.mark.parametrize("make", [MomentumUpdateHook, WeightAverageHook])
@pytest.mark.parametrize(("steps", "asked"), [(4, 1), (1, 2), (2, 3)])
def test_two_intervals_are_refused(
    make: Any,
    steps: int,
    asked: int,
    make_following: Callable[..., Any],
    make_loader: Callable[..., Any],
) -> None:
    runner = make_following(update_interval=steps, iters=4)
    hook = make(update_interval=asked)
    runner.register_hook(hook)
    message = f"{type(hook).__name__} has update_interval={asked}, but a step .* takes {steps} "
    with pytest.raises(UserError, match=message):
        runner.run([make_loader()], [("train", 1)])
    assert runner.iter == 0


def test_average_follows_the_steps_of_the_optimizer(
    make_following: Callable[..., Any], make_loader: Callable[..., Any]
) -> None:
    runner = make_following(update_interval=3, iters=7)
    hook = WeightAverageHook()
    runner.register_hook(hook, priority=hook.default_priority)
    runner.run([make_loader()], [("train", 1)])
    assert hook.updates == 3


def test_the_hook_of_mmcv_for_several_batches_counts_too(
    make_following: Callable[..., Any], make_loader: Callable[..., Any]
) -> None:
    runner = make_following(iters=4)
    runner._hooks.clear()
    runner.register_optimizer_hook(dict(type="GradientCumulativeOptimizerHook", cumulative_iters=2))
    runner.register_hook(MomentumUpdateHook())
    runner.run([make_loader()], [("train", 1)])
    assert len(runner.model.updates) == 2


@pytest.mark.parametrize("name", ["MoCo", "DenseCL"])
def test_key_encoders_move_once_a_step(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moves: list[tuple[int, bool]] = []
    kind: Any = ALGORITHMS.get(name)
    update = kind.momentum_update

    def counted(self: Any) -> None:
        first = next(p for p in self.encoder_q.parameters())
        old = seen[-1] if seen else first
        moves.append((len(batches), torch.equal(first, old)))
        seen.append(first.detach().clone())
        update(self)

    seen: list[torch.Tensor] = []
    batches: list[int] = []
    forward = kind.forward_train
    monkeypatch.setattr(kind, "momentum_update", counted)
    monkeypatch.setattr(
        kind, "forward_train", lambda self, *a, **k: (batches.append(1), forward(self, *a, **k))[1]
    )
    runner = train(name, tmp_path, optimizer_config=dict(update_interval=2))  # 9 batches
    # Before batches 1, 3, 5, ...: each time after a step, except for the first.
    assert [number for number, _ in moves] == [1, 3, 5, 7, 9]
    assert [same for _, same in moves] == [True, False, False, False, False]
    assert runner.model.starts_step, "afterwards each batch counts as a step"


def test_without_accumulation_key_encoders_move_with_each_batch(tmp_path: Path) -> None:
    moves: list[int] = []

    class Watch(Hook):  # type: ignore[misc]
        def before_train_iter(self, runner: Any) -> None:
            moves.append(runner.model.starts_step)

    train("MoCo", tmp_path, custom_hooks=[Watch()])
    assert moves == [True] * 9


def test_old_names() -> None:
    from mmselfsup.core.hooks.byol_hook import BYOLHook as ByItsOldPath

    assert HOOKS.get("BYOLHook") is HOOKS.get("MomentumUpdateHook") is BYOLHook is ByItsOldPath


@pytest.mark.parametrize("interval", [0, 1.5])
def test_interval_is_checked(interval: Any) -> None:
    with pytest.raises(UserError, match=f"update_interval is {interval}"):
        MomentumUpdateHook(update_interval=interval)


@pytest.mark.parametrize("hook", [MomentumUpdateHook(), DenseCLHook()])
def test_other_models_are_refused(
    hook: Any, make_runner: Callable[..., Any], make_loader: Callable[..., Any]
) -> None:
    runner = make_runner()
    runner.register_hook(hook)
    with pytest.raises(UserError, match=f"{type(hook).__name__} needs .* TinyModel"):
        runner.run([make_loader()], [("train", 1)])


def test_dense_loss_waits(
    make_following: Callable[..., Any], make_loader: Callable[..., Any]
) -> None:
    runner = make_following(iters=5)
    hook = DenseCLHook(start_iters=2)
    runner.register_hook(hook)
    runner.run([make_loader()], [("train", 1)])
    assert runner.model.lambdas == [0.0, 0.0, 0.5, 0.5, 0.5]
    assert runner.model.loss_lambda == 0.5


def test_dense_loss_of_a_short_run_leaves_the_model_as_it_was(
    make_following: Callable[..., Any], make_loader: Callable[..., Any]
) -> None:
    runner = make_following(iters=2)
    runner.register_hook(DenseCLHook(start_iters=100))
    runner.run([make_loader()], [("train", 1)])
    assert runner.model.lambdas == [0.0, 0.0]
    assert runner.model.loss_lambda == 0.5


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (dict(fix_pred_lr=True, lr=0.3), (0.3, True)),
        (dict(fix_pred_lr=True, lr=0.3, adjust_by_epoch=False), (0.3, False)),
        (dict(fix_pred_lr=False, lr=0.3), (0.1, True)),
    ],
)
def test_predictor_keeps_its_rate(
    options: dict[str, Any],
    expected: tuple[float, bool],
    make_following: Callable[..., Any],
    make_loader: Callable[..., Any],
) -> None:
    runner = make_following(epochs=2)
    head = list(runner.model.head.parameters())
    rest = list(runner.model.backbone.parameters())
    groups = [dict(params=rest), dict(params=head, fix_lr=True)]
    runner.optimizer = torch.optim.SGD(groups, lr=0.1)
    hook = SimSiamHook(**options)
    runner.register_hook(hook)
    runner.run([make_loader()], [("train", 1)])
    rate, once_an_epoch = expected
    assert [g["lr"] for g in runner.optimizer.param_groups] == [0.1, rate]
    runner.optimizer.param_groups[1]["lr"] = 7.0  # as a warm-up would
    hook.before_train_iter(runner)
    assert runner.optimizer.param_groups[1]["lr"] == (7.0 if once_an_epoch else rate)
