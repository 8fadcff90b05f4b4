"""The runners do what mmcv's do, without its pauses."""

import math
import time
from typing import Any

import mmcv.runner.epoch_based_runner as mmcv_epoch
import mmcv.runner.iter_based_runner as mmcv_iter
import pytest
import torch
from mmcv.parallel import MMDataParallel
from mmcv.runner import RUNNERS, Hook, IterTimerHook, LoggerHook

from mmselfsup.core.runner import EpochBasedRunner, IterBasedRunner
from mmselfsup.utils.errors import UserError
from tests.runner.fakes import Recorder, TinyModel, make_loader, make_runner, quiet_logger, weights

EPOCHS = (EpochBasedRunner, mmcv_epoch.EpochBasedRunner, {"max_epochs": 2})
ITERS = (IterBasedRunner, mmcv_iter.IterBasedRunner, {"max_iters": 7})
WORKFLOWS = ([("train", 1)], [("train", 1), ("val", 1)], [("val", 1), ("train", 2)])


def test_registered_over_mmcvs_names() -> None:
    assert RUNNERS.get("EpochBasedRunner") is EpochBasedRunner
    assert RUNNERS.get("IterBasedRunner") is IterBasedRunner


@pytest.mark.parametrize("workflow", WORKFLOWS)
@pytest.mark.parametrize(("ours", "theirs", "end"), [EPOCHS, ITERS])
def test_stages_and_weights_are_mmcvs(
    ours: Any, theirs: Any, end: Any, workflow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setattr(mmcv_iter.IterLoader, "__getattr__", _inner_loader, raising=False)
    runs = []
    for runner_class in (ours, theirs):
        runner = make_runner(runner_class, **end)
        recorder = Recorder()
        runner.register_hook(recorder)
        torch.manual_seed(1)
        runner.run([make_loader(shuffle=False) for _ in workflow], workflow)
        runs.append((recorder.seen, weights(runner)))
    assert runs[0][0] == runs[1][0]
    if workflow == [("train", 1)]:  # mmcv's validation draws random numbers of the training
        assert all(torch.equal(a, b) for a, b in zip(runs[0][1], runs[1][1], strict=True))


def _inner_loader(self: Any, name: str) -> Any:
    return getattr(self.__dict__["_dataloader"], name)


def test_hook_order_is_mmcvs() -> None:
    order = []
    for runner_class in (EpochBasedRunner, mmcv_epoch.EpochBasedRunner):
        runner = make_runner(runner_class, max_epochs=1)
        for priority in ("LOW", "NORMAL", 45, "VERY_LOW"):
            runner.register_hook(Recorder(), priority=priority)
        order.append([(type(hook).__name__, hook.priority) for hook in runner.hooks])
    assert order[0] == order[1]


@pytest.mark.parametrize(("ours", "theirs", "end"), [EPOCHS, ITERS])
def test_never_sleeps(ours: Any, theirs: Any, end: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def sleep(seconds: float) -> None:
        raise AssertionError("slept")

    runner = make_runner(ours, **end)
    monkeypatch.setattr(time, "sleep", sleep)
    runner.run([make_loader(), make_loader()], [("train", 1), ("val", 1)])


def test_log_buffer_holds_tensors_until_a_log_line() -> None:
    class TensorCheck(Hook):  # type: ignore[misc]
        def after_train_iter(self, runner: Any) -> None:
            assert isinstance(runner.log_buffer.val_history["loss"][-1], torch.Tensor)

    runner = make_runner(EpochBasedRunner, max_epochs=1)
    runner.register_hook(TensorCheck(), priority="HIGHEST")
    runner.run([make_loader()], [("train", 1)])


def test_loss_that_is_not_finite_stops_before_the_checkpoint() -> None:
    class Poison(Hook):  # type: ignore[misc]
        def before_train_iter(self, runner: Any) -> None:
            if runner.iter == 4:
                runner.model.head[1].weight.data.fill_(math.nan)

        def after_train_epoch(self, runner: Any) -> None:
            assert runner.epoch == 0, "an epoch with a broken loss was taken for complete"

    runner = make_runner(EpochBasedRunner, max_epochs=3)
    runner.register_hook(Poison())
    with pytest.raises(UserError, match=r"iteration 5 \(loss nan, acc nan\).*optimizer\.lr"):
        runner.run([make_loader()], [("train", 1)])


@pytest.mark.parametrize(("done", "lines"), [(0, 0), (2, 1), (3, 1)])
def test_nothing_left_to_train_is_said(
    done: int, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = make_runner(EpochBasedRunner, max_epochs=2)
    said: list[str] = []
    monkeypatch.setattr(runner.logger, "info", lambda text, *args: said.append(text % args))
    runner._announce([[]], [("train", 1)], done, 2, "epochs")
    assert sum("nothing left to train" in line for line in said) == lines


@pytest.mark.parametrize("runner_class", [EpochBasedRunner, IterBasedRunner])
@pytest.mark.parametrize(
    ("workflow", "message"),
    [
        ([("val", 1)], "no .*train"),
        ([("train", 0)], "no .*train"),
        ([("train", 1), ("val", 1)], "needs 2 data sets, there are 1"),
        ([("fly", 1)], "fly"),
        ([("train",)], "train"),
    ],
)
def test_bad_workflow(runner_class: Any, workflow: Any, message: str) -> None:
    end = {"max_epochs": 1} if runner_class is EpochBasedRunner else {"max_iters": 1}
    with pytest.raises(UserError, match=message):
        make_runner(runner_class, **end).run([make_loader()], workflow)


@pytest.mark.parametrize("runner_class", [EpochBasedRunner, IterBasedRunner])
def test_without_an_end(runner_class: Any) -> None:
    with pytest.raises(UserError, match=r"max_(epochs|iters) is not set"):
        make_runner(runner_class).run([make_loader()], [("train", 1)])


def test_step_must_return_a_dict() -> None:
    model = TinyModel()
    model.train_step = lambda data, optimizer: 1.0  # type: ignore[method-assign,assignment]
    runner = EpochBasedRunner(model, logger=quiet_logger(), max_epochs=1)
    with pytest.raises(TypeError, match="must return a dict, got float"):
        runner.run([make_loader()], [("train", 1)])


def test_batch_processor_of_old_code() -> None:
    model = torch.nn.Linear(4, 1)
    calls = []

    def process(model: Any, data: Any, train_mode: bool) -> dict[str, Any]:
        calls.append(train_mode)
        return {"loss": model(data["img"]).sum(), "log_vars": {}, "num_samples": 4}

    with pytest.warns(DeprecationWarning, match="batch_processor"):
        runner = EpochBasedRunner(
            model, batch_processor=process, logger=quiet_logger(), max_epochs=1
        )
    runner.run([make_loader(4)], [("train", 1)])
    assert calls == [True]


def test_mmcvs_wrapper_changes_nothing() -> None:
    results = []
    for wrap in (lambda model: model, MMDataParallel):
        runner = make_runner(EpochBasedRunner, max_epochs=2)
        runner.model = wrap(runner.model)
        runner.run([make_loader()], [("train", 1)])
        results.append([p.detach().clone() for p in runner.model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


class Gap:
    """A time that is read late, as that between two events of a GPU."""

    def __float__(self) -> float:
        return 0.25


class Times(Hook):  # type: ignore[misc]
    def before_train_iter(self, runner: Any) -> None:
        runner.log_buffer.update({"gap": Gap(), "number": float(runner.iter)})


class Lines(LoggerHook):  # type: ignore[misc]
    """Keeps its lines."""

    def __init__(self, interval: int) -> None:
        super().__init__(interval, by_epoch=False, ignore_last=True)
        self.lines: list[dict[str, float]] = []

    def log(self, runner: Any) -> None:
        self.lines.append(dict(runner.log_buffer.output))


@pytest.mark.parametrize("cls", [EpochBasedRunner, IterBasedRunner])
def test_the_log_buffer_does_not_grow(cls: Any) -> None:
    length = {"max_iters": 60} if cls is IterBasedRunner else {"max_epochs": 2}
    runner = make_runner(cls, None, **length)
    runner.register_hook(Times())
    loggers = [Lines(5), Lines(20)]
    sizes: list[int] = []
    kept: list[Any] = []

    class Sizes(Hook):  # type: ignore[misc]
        def after_train_iter(self, runner: Any) -> None:
            histories = runner.log_buffer.val_history
            sizes.append(max(map(len, histories.values())))
            kept.append(sum(isinstance(value, Gap) for value in histories["gap"]))

    for logger in loggers:
        runner.register_hook(logger)
    runner.register_hook(Sizes())
    runner.run([make_loader(length=120)], [("train", 1)])  # 30 batches a pass
    assert max(sizes) <= 20 + 5
    assert max(kept) < 5
    for logger in loggers:
        own = [line for line in logger.lines if line]
        assert own[-1]["gap"] == 0.25
    numbers = [line["number"] for line in loggers[1].lines]
    assert sum(range(20)) / 20 in numbers, "the long interval has all of its values"


@pytest.mark.parametrize("cls", [EpochBasedRunner, IterBasedRunner])
def test_nor_without_loggers(cls: Any) -> None:
    length = {"max_iters": 60} if cls is IterBasedRunner else {"max_epochs": 2}
    runner = make_runner(cls, None, **length)
    runner.register_hook(Times())
    runner.run([make_loader(length=120)], [("train", 1)])
    assert max(map(len, runner.log_buffer.val_history.values())) <= 30 + 10


class LossLines(LoggerHook):  # type: ignore[misc]
    """Note mode, iteration and loss of every line."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seen: list[tuple[str, int, float]] = []

    def log(self, runner: Any) -> None:
        mode, iteration = self.get_mode(runner), self.get_iter(runner)
        self.seen.append((mode, iteration, runner.log_buffer.output["loss"]))


def test_validation_by_iterations_is_logged() -> None:
    runner, lines = make_runner(IterBasedRunner, max_iters=4), LossLines(interval=2, by_epoch=False)
    runner.register_hook(IterTimerHook())
    runner.register_hook(lines, priority="VERY_LOW")
    runner.run([make_loader(), make_loader()], [("train", 2), ("val", 1)])
    assert [line[:2] for line in lines.seen] == [
        ("train", 2), ("val", 2), ("train", 4), ("val", 4),
    ]  # fmt: skip
    assert all(math.isfinite(line[2]) for line in lines.seen)


@pytest.mark.parametrize(
    ("runner_class", "end", "length"),
    [(EpochBasedRunner, {"max_epochs": 2}, None), (IterBasedRunner, {"max_iters": 2}, 2)],
)
def test_a_line_in_the_shortest_training(runner_class: Any, end: Any, length: Any) -> None:
    runner, loader = make_runner(runner_class, **end), make_loader()
    lines = LossLines(interval=50, by_epoch=length is None)
    runner.register_hook(IterTimerHook())
    runner.register_hook(lines, priority="VERY_LOW")
    runner.run([loader], [("train", 1)])
    assert lines.interval == (length or len(loader))
    assert len(lines.seen) == (1 if length else 2)
