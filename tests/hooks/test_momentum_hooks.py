"""The hooks of BYOL, SimSiam and DenseCL: what they set, and when."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from mmcv.runner import HOOKS

from mmselfsup.core.hooks import BYOLHook, DenseCLHook, MomentumUpdateHook, SimSiamHook
from mmselfsup.utils.errors import UserError
from tests.hooks.conftest import TinyModel


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
    """A runner around :class:`Following`, with our optimizer hook."""

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


def test_update_interval_goes_with_the_optimizers(
    make_following: Callable[..., Any], make_loader: Callable[..., Any]
) -> None:
    runner = make_following(update_interval=2, iters=6)
    runner.register_hook(MomentumUpdateHook(update_interval=2))
    runner.run([make_loader()], [("train", 1)])
    moments = [momentum for momentum, _ in runner.model.updates]
    assert moments == pytest.approx(slow_schedule(0.9, 1.0, 6)[1::2])
    assert len({weight for _, weight in runner.model.updates}) == 3


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
