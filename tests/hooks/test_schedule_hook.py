"""Schedules by iteration of numbers of the model and of the optimizer."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv.runner import Hook
from torch import nn

from mmselfsup.core.hooks import DistOptimizerHook, MomentumUpdateHook, ScheduleHook
from mmselfsup.utils.errors import UserError

Make = Callable[..., Any]


class Watch(Hook):  # type: ignore[misc]
    """Notes what ``read`` returns in each iteration, after the forward pass."""

    def __init__(self, read: Callable[[Any], Any]) -> None:
        self.read, self.seen = read, list[Any]()

    def after_train_iter(self, runner: Any) -> None:
        self.seen.append(self.read(runner))


class SaveAt(Hook):  # type: ignore[misc]
    """Writes ``saved.pth`` after a number of iterations."""

    def __init__(self, iterations: int) -> None:
        self.iterations = iterations

    def after_train_iter(self, runner: Any) -> None:
        if runner.iter + 1 == self.iterations:
            runner.save_checkpoint(runner.work_dir, "saved.pth")


def decay(runner: Any) -> list[float]:
    return [group["weight_decay"] for group in runner.optimizer.param_groups]


def temperature(runner: Any) -> float:
    return float(runner.model.head.temperature)


def run(runner: Any, loader: Any, *hooks: Hook, read: Any = temperature, interval: int = 1) -> Any:
    """Train, and return what ``read`` gave in each iteration."""
    watch = Watch(read)
    for hook in (DistOptimizerHook(interval), watch):
        runner.register_hook(hook)
    for hook in hooks:
        runner.register_hook(hook, priority=getattr(hook, "default_priority", "NORMAL"))
    runner.run([loader], [("train", 1)])
    return watch.seen


@pytest.fixture
def tempered(make_runner: Make) -> Make:
    """Return a runner whose head has a temperature."""

    def make(**kwargs: Any) -> Any:
        runner = make_runner(**kwargs)
        runner.model.head.temperature = 0.5
        return runner

    return make


def two_groups(runner: Any, **options: Any) -> Any:
    """Give the runner an optimizer of two groups; the second one has its own options."""
    model = runner.model
    parts = [model.backbone.parameters(), model.head.parameters()]
    groups: Any = [{"params": list(parts[0])}, {"params": list(parts[1]), **options}]
    runner.optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9, weight_decay=0.04)
    return runner


def cosine(first: float, last: float, count: int) -> list[float]:
    return [last + (first - last) * (1 + math.cos(math.pi * i / count)) / 2 for i in range(count)]


def test_cosine_over_the_whole_training(tempered: Make, make_loader: Make) -> None:
    hook = ScheduleHook("model.head.temperature", start=0.04, end=0.07)
    seen = run(tempered(epochs=3), make_loader(), hook)  # 2 iterations an epoch
    assert seen == pytest.approx(cosine(0.04, 0.07, 6))


def test_linear_up_to_an_epoch_from_the_value_of_the_config(
    tempered: Make, make_loader: Make
) -> None:
    hook = ScheduleHook("model.head.temperature", "linear", end=0.1, until=2)
    seen = run(tempered(epochs=3), make_loader(), hook)
    assert seen == pytest.approx([0.5, 0.4, 0.3, 0.2, 0.1, 0.1])
    assert seen[-1] == 0.1  # exactly, from there on


def test_warm_up_then_steps(tempered: Make, make_loader: Make) -> None:
    hook = ScheduleHook("model.head.temperature", "step", steps=[3, 2], warmup=1.5)
    seen = run(tempered(epochs=4), make_loader(), hook)
    expected = [0, 0.5 / 3, 1 / 3, 0.5, 0.05, 0.05, 0.005, 0.005]
    assert seen == pytest.approx(expected)


def test_cosine_after_a_warm_up_by_iterations(tempered: Make, make_loader: Make) -> None:
    hook = ScheduleHook("model.head.temperature", end=0.0, warmup=2, warmup_start=0.1)
    seen = run(tempered(iters=6), make_loader(), hook)  # a runner without epochs
    assert seen == pytest.approx([0.1, 0.3, *cosine(0.5, 0.0, 4)])


def test_a_buffer_stays_a_tensor(tempered: Make, make_loader: Make) -> None:
    runner = tempered(epochs=2)
    del runner.model.head.temperature
    runner.model.head.register_buffer("temperature", torch.tensor(0.5))
    hook = ScheduleHook("model.head.temperature", "linear", start=0.8, end=0.0)
    seen = run(runner, make_loader(), hook)
    assert seen == pytest.approx([0.8, 0.6, 0.4, 0.2])
    assert isinstance(runner.model.head.temperature, torch.Tensor)


def test_groups_keep_their_ratio(make_runner: Make, make_loader: Make) -> None:
    hook = ScheduleHook("optimizer.weight_decay", "linear", end=0.4)
    runner = two_groups(make_runner(epochs=2), weight_decay=0.02)
    seen = run(runner, make_loader(), hook, read=decay)
    assert [first for first, _ in seen] == pytest.approx([0.04, 0.13, 0.22, 0.31])
    assert [second for _, second in seen] == pytest.approx([0.02, 0.065, 0.11, 0.155])


def test_a_weight_decay_of_zero_stays_zero(make_runner: Make, make_loader: Make) -> None:
    hook = ScheduleHook("optimizer.weight_decay", start=0.1, end=0.4)
    runner = two_groups(make_runner(epochs=2), weight_decay=0.0)
    seen = run(runner, make_loader(), hook, read=decay)
    assert [first for first, _ in seen] == pytest.approx(cosine(0.1, 0.4, 4))
    assert {second for _, second in seen} == {0.0}


def test_a_part_of_an_option(make_runner: Make, make_loader: Make) -> None:
    runner = make_runner(epochs=1)
    runner.optimizer = torch.optim.AdamW(runner.model.parameters(), lr=0.01)
    hook = ScheduleHook("optimizer.betas.1", "linear", end=0.95)
    seen = run(runner, make_loader(), hook, read=lambda r: r.optimizer.param_groups[0]["betas"])
    assert seen == [(0.9, 0.999), (0.9, pytest.approx(0.9745))]


def test_a_step_of_several_batches_has_one_value(tempered: Make, make_loader: Make) -> None:
    hooks = [
        ScheduleHook("model.head.temperature", start=0.04, end=0.07, warmup=1) for _ in range(2)
    ]
    large = run(tempered(epochs=3), make_loader(length=16, batch_size=8), hooks[0])
    runner = tempered(epochs=3)
    small = run(runner, make_loader(length=16, batch_size=4), hooks[1], interval=2)
    assert small[::2] == small[1::2] == pytest.approx(large)


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("length", [dict(epochs=4), dict(iters=8)])
def test_resume_is_bit_equal(
    length: dict[str, int], inside: bool, tempered: Make, make_loader: Make, tmp_path: Path
) -> None:
    def train(resume: bool) -> tuple[Any, list[Any]]:
        runner = two_groups(tempered(**length), weight_decay=0.01)
        at = 3 if inside else 4
        if resume:
            runner.resume(str(tmp_path / "saved.pth"))
        hooks = [
            ScheduleHook("optimizer.weight_decay", "linear", end=0.4, warmup=1),
            ScheduleHook("model.head.temperature", end=0.07),
            *([] if resume else [SaveAt(at)]),
        ]
        values = run(runner, make_loader(), *hooks, read=lambda r: (decay(r), temperature(r)))
        return runner, values

    whole, values = train(resume=False)
    later, rest = train(resume=True)
    assert rest == values[3 if inside else 4 :]
    for a, b in zip(whole.model.parameters(), later.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_resume_with_another_weight_decay_in_the_config(
    make_runner: Make, make_loader: Make, tmp_path: Path
) -> None:
    """The options of the checkpoint count, as for all options of the optimizer."""
    runner = two_groups(make_runner(epochs=2), weight_decay=0.02)
    hooks = (ScheduleHook("optimizer.weight_decay", end=0.4), SaveAt(2))
    values = run(runner, make_loader(), *hooks, read=decay)
    later = make_runner(epochs=2)
    model = later.model
    groups: Any = [{"params": list(part.parameters())} for part in (model.backbone, model.head)]
    later.optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9, weight_decay=0.3)
    later.resume(str(tmp_path / "saved.pth"))
    schedule = ScheduleHook("optimizer.weight_decay", end=0.4)
    assert run(later, make_loader(), schedule, read=decay) == values[2:]


def test_the_loggers_get_it(tempered: Make, make_loader: Make) -> None:
    runner = tempered(epochs=1)
    run(runner, make_loader(), ScheduleHook("model.head.temperature", "linear", end=0.0))
    assert runner.log_buffer.val_history["model.head.temperature"] == [0.5, 0.25]


def test_the_momentum_of_a_target(make_runner: Make, make_loader: Make) -> None:
    moves: list[float] = []
    runner = make_runner(epochs=2)
    model = runner.model
    model.base_momentum = model.momentum = 0.9
    model.momentum_update = lambda: moves.append(model.momentum)
    schedule = ScheduleHook("model.momentum", "linear", end=1.0)
    run(runner, make_loader(), MomentumUpdateHook(), schedule, read=lambda r: None)
    assert moves == pytest.approx([0.9, 0.925, 0.95, 0.975])


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("model.head.temprature", r"Linear has no number 'temprature'; did you mean 'temperature'"),
        (
            "model.haed.temperature",
            r"model has no part 'haed'; did you mean 'head'\? it has .*head",
        ),
        ("model.head.weight", "Linear has no number 'weight'"),
        ("model.training", "no number 'training'"),
        ("optimizer.weightdecay", "SGD has no such option; did you mean 'weight_decay'"),
        ("optimizer.momentum.0", "momentum is 0.9; name one of its numbers"),
        ("model.half", "no number 'half'"),
        ("model.fixed", "'fixed' of Fixed can't be set"),
    ],
)
def test_wrong_names_before_the_first_iteration(
    target: str, words: str, tempered: Make, make_loader: Make
) -> None:
    runner = tempered(epochs=1)
    if target == "model.fixed":
        kind = type(runner.model)
        runner.model.__class__ = type("Fixed", (kind,), {"fixed": property(lambda self: 1.0)})
    with pytest.raises(UserError, match=words) as error:
        run(runner, make_loader(), ScheduleHook(target, end=1.0))
    assert "\n" not in str(error.value)
    assert runner.iter == 0


def test_two_schedules_of_one_number_are_refused(make_runner: Make, make_loader: Make) -> None:
    hooks = [ScheduleHook("optimizer.weight_decay", end=1.0) for _ in range(2)]
    with pytest.raises(UserError, match="there are two of them"):
        run(make_runner(epochs=1), make_loader(), *hooks)
    runner = make_runner(epochs=1)
    runner.register_lr_hook(dict(policy="step", step=[1]))
    with pytest.raises(UserError, match="lr_config or momentum_config sets lr already"):
        run(runner, make_loader(), ScheduleHook("optimizer.lr", end=1.0))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (dict(target="head.temperature", end=1.0), r"give 'model.<name>' or 'optimizer.<option>'"),
        (dict(policy="cosin", end=1.0), "did you mean 'cosine'"),
        (dict(policy="linear"), "needs end"),
        (dict(policy="step", end=1.0, steps=[1]), "has no end"),
        (dict(end="high"), "end='high' is no number"),
        (dict(end=math.nan), "end=nan is no number"),
        (dict(end=1.0, warmup=2, until=1), "an until behind it"),
    ],
)
def test_arguments_are_checked(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        ScheduleHook(**{"target": "model.x", **options})


def test_lengths_fit_the_training(tempered: Make, make_loader: Make) -> None:
    late = ScheduleHook("model.head.temperature", end=1.0, until=3)
    with pytest.raises(UserError, match="until=3, and the training ends at 2"):
        run(tempered(epochs=2), make_loader(), late)
    epochs = ScheduleHook("model.head.temperature", end=1.0, by_epoch=True)
    with pytest.raises(UserError, match="set by_epoch=False"):
        run(tempered(iters=2), make_loader(), epochs)


def test_an_untrained_parameter_is_no_number() -> None:
    from mmselfsup.core.hooks.schedule_hook import is_settable

    assert not is_settable(nn.Parameter(torch.tensor(1.0)))
    assert not is_settable(True)
    assert is_settable(3)
