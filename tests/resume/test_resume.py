"""Train, stop, resume: the same bits as training without a stop."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv.runner import HOOKS, Hook
from torch.utils.data import DataLoader

from mmselfsup.core.runner import EpochBasedRunner, IterBasedRunner
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.module import batches_from
from tests.runner.fakes import TinyData, make_loader, make_runner, weights


class Save(Hook):  # type: ignore[misc]
    """Saves where ``when`` is true, then draws random numbers, as an evaluation might."""

    def __init__(self, when: Callable[[Any], bool], inside: bool) -> None:
        self.when, self.inside = when, inside

    def after_train_epoch(self, runner: Any) -> None:
        if not self.inside and self.when(runner):
            runner.save_checkpoint(runner.work_dir, "saved.pth")
            torch.rand(5)

    def after_train_iter(self, runner: Any) -> None:
        if self.inside and self.when(runner):
            runner.save_checkpoint(runner.work_dir, "saved.pth")


class Chance(Hook):  # type: ignore[misc]
    """Draws a random number before the run and between epochs, as a clustering would."""

    def before_run(self, runner: Any) -> None:
        torch.rand(3)

    def before_train_epoch(self, runner: Any) -> None:
        runner.optimizer.param_groups[0]["weight_decay"] = torch.rand(()).item() / 10


def run(runner: Any, workflow: Any, workers: int = 0) -> Any:
    torch.manual_seed(5)
    runner.register_hook(Chance())
    runner.run([make_loader(workers=workers) for _ in workflow], workflow)
    return runner


def assert_same(first: Any, second: Any) -> None:
    pairs = zip(weights(first), weights(second), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    states = [r.optimizer.state_dict() for r in (first, second)]
    assert states[0]["param_groups"] == states[1]["param_groups"]
    for key, state in states[0]["state"].items():
        assert torch.equal(state["momentum_buffer"], states[1]["state"][key]["momentum_buffer"])
    assert (first.epoch, first.iter) == (second.epoch, second.iter)


@pytest.mark.parametrize(
    ("workers", "workflow"),
    [(0, [("train", 1)]), (0, [("train", 1), ("val", 1)]), (2, [("train", 1)])],
)
def test_between_epochs(workers: int, workflow: Any, tmp_path: Path) -> None:
    whole = make_runner(EpochBasedRunner, str(tmp_path), max_epochs=4)
    whole.register_hook(Save(lambda runner: runner.epoch == 1, inside=False))
    run(whole, workflow, workers)
    later = make_runner(EpochBasedRunner, str(tmp_path), max_epochs=4)
    later.resume(str(tmp_path / "saved.pth"))
    assert (later.epoch, later.iter) == (2, 6)
    run(later, workflow)  # the number of workers may change
    assert_same(whole, later)


def test_inside_an_epoch(tmp_path: Path) -> None:
    whole = make_runner(EpochBasedRunner, str(tmp_path), max_epochs=3)
    whole.register_hook(Save(lambda runner: runner.iter == 4, inside=True))
    torch.manual_seed(5)
    whole.run([make_loader()], [("train", 1)])
    later = make_runner(EpochBasedRunner, str(tmp_path), max_epochs=3)
    later.resume(str(tmp_path / "saved.pth"))
    assert (later.epoch, later.iter) == (1, 5)
    later.run([make_loader()], [("train", 1)])
    assert_same(whole, later)


def test_by_iterations(tmp_path: Path) -> None:
    whole = make_runner(IterBasedRunner, str(tmp_path), max_iters=8)
    whole.register_hook(Save(lambda runner: runner.iter == 4, inside=True))
    torch.manual_seed(5)
    whole.run([make_loader()], [("train", 1)])
    later = make_runner(IterBasedRunner, str(tmp_path), max_iters=8)
    later.resume(str(tmp_path / "saved.pth"))
    assert later.iter == 5
    later.run([make_loader()], [("train", 1)])
    assert_same(whole, later)


@pytest.mark.parametrize(
    ("runner_class", "length"), [(EpochBasedRunner, "max_epochs"), (IterBasedRunner, "max_iters")]
)
def test_skipped_images_are_not_read(runner_class: Any, length: str, tmp_path: Path) -> None:
    """Of 3 batches of 4 images, two are done: a resume reads the last 4 images and no other."""
    options = {length: 1 if length == "max_epochs" else 3}
    whole = make_runner(runner_class, str(tmp_path), **options)
    whole.register_hook(Save(lambda runner: runner.iter == 1, inside=True))
    torch.manual_seed(5)
    whole.run([make_loader()], [("train", 1)])
    read: list[int] = []
    later, loader = make_runner(runner_class, str(tmp_path), **options), make_loader()
    get = TinyData.__getitem__

    class Counting(TinyData):
        def __getitem__(self, idx: int) -> dict[str, Any]:
            read.append(idx)
            return get(self, idx)

    loader.dataset.dataset.__class__ = Counting
    later.resume(str(tmp_path / "saved.pth"))
    later.run([loader], [("train", 1)])
    assert len(read) == 4
    assert_same(whole, later)


def test_a_loader_without_such_a_sampler_is_skipped_batch_by_batch(tmp_path: Path) -> None:
    data = TinyData(12, noise=0.0)
    loader: Any = DataLoader(data, batch_size=4)
    assert [batch["idx"].tolist() for batch in batches_from(loader, 2)] == [[8, 9, 10, 11]]
    own: Any = make_loader(shuffle=False)
    assert [batch["idx"].tolist() for batch in batches_from(own, 2)] == [[8, 9, 10, 11]]
    assert len(list(batches_from(own, 0))) == 3  # once only


def test_a_checkpoint_is_read_once_and_nothing_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make_runner(EpochBasedRunner, str(tmp_path), max_epochs=1)
    whole.register_hook(Save(lambda runner: True, inside=False))
    whole.run([make_loader()], [("train", 1)])
    path = tmp_path / "saved.pth"
    calls: list[dict[str, Any]] = []
    load = torch.load
    monkeypatch.setattr(torch, "load", lambda *a, **k: (calls.append(k), load(*a, **k))[1])
    later = make_runner(EpochBasedRunner, str(tmp_path), max_epochs=2)
    later.resume(str(path))
    assert [call["mmap"] for call in calls] == [True]
    maps = Path("/proc/self/maps")
    if maps.exists():
        assert "saved.pth" not in maps.read_text()
    path.unlink()
    later.run([make_loader()], [("train", 1)])
    assert all(tensor.isfinite().all() for tensor in weights(later))


def test_the_older_format_is_read_too(tmp_path: Path) -> None:
    runner = make_runner(EpochBasedRunner, str(tmp_path), max_epochs=1)
    runner.save_checkpoint(str(tmp_path), "new.pth")
    state = torch.load(tmp_path / "new.pth", weights_only=True)
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    later = make_runner(EpochBasedRunner, str(tmp_path), max_epochs=1)
    later.resume(str(tmp_path / "old.pth"))
    pairs = zip(weights(runner), weights(later), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_another_optimizer_can_not_be_resumed(tmp_path: Path) -> None:
    runner = make_runner(EpochBasedRunner, str(tmp_path), max_epochs=1)
    runner.save_checkpoint(str(tmp_path))
    other = make_runner(EpochBasedRunner, str(tmp_path), max_epochs=1)
    other.optimizer = torch.optim.AdamW(other.model.parameters())
    with pytest.raises(UserError, match="has the options momentum, that of the config betas"):
        other.resume(str(tmp_path / "epoch_1.pth"))


def test_checkpoint_is_plain_and_names_itself(tmp_path: Path) -> None:
    runner = make_runner(EpochBasedRunner, str(tmp_path), max_epochs=1)
    runner.meta = {"seed": 3, "hook_msgs": {"best_score": 0.5}}
    runner.save_checkpoint(str(tmp_path), meta={"note": "x"})
    state = torch.load(tmp_path / "latest.pth", weights_only=True)
    assert (tmp_path / "latest.pth").resolve().name == "epoch_1.pth"
    assert state["meta"]["note"] == "x"
    assert state["meta"]["seed"] == 3
    assert len(state["rng_state"]) == 1
    later = make_runner(EpochBasedRunner, str(tmp_path), max_epochs=1)
    later.resume(str(tmp_path / "latest.pth"))
    assert later.meta["hook_msgs"] == {"best_score": 0.5}


def test_another_length_of_an_epoch(tmp_path: Path) -> None:
    first = make_runner(EpochBasedRunner, str(tmp_path), max_epochs=2)
    first.register_hook(Save(lambda runner: runner.epoch == 0, inside=False))
    first.run([make_loader(12)], [("train", 1)])
    later = make_runner(EpochBasedRunner, str(tmp_path), max_epochs=2)
    later.resume(str(tmp_path / "saved.pth"))
    later.run([make_loader(20)], [("train", 1)])
    assert later.iter == 10


def test_weights_only_can_not_be_resumed(tmp_path: Path) -> None:
    runner = make_runner(EpochBasedRunner, str(tmp_path), max_epochs=1)
    torch.save(runner.model.state_dict(), tmp_path / "weights.pth")
    with pytest.raises(UserError, match="use load_from"):
        runner.resume(str(tmp_path / "weights.pth"))
    runner.save_checkpoint(str(tmp_path), "bare.pth", save_optimizer=False)
    with pytest.raises(UserError, match="no optimizer state"):
        runner.resume(str(tmp_path / "bare.pth"))


def test_another_model_can_not_be_resumed(tmp_path: Path) -> None:
    runner = make_runner(EpochBasedRunner, str(tmp_path), max_epochs=1)
    runner.save_checkpoint(str(tmp_path))
    other = make_runner(EpochBasedRunner, str(tmp_path), max_epochs=1)
    other.model.head[1] = torch.nn.Linear(8, 3)
    with pytest.raises(UserError, match="another model"):
        other.resume(str(tmp_path / "epoch_1.pth"))


def test_checkpoint_hook_inside_epochs(tmp_path: Path) -> None:
    runner = make_runner(EpochBasedRunner, str(tmp_path), max_epochs=2)
    runner.register_hook(HOOKS.get("CheckpointHook")(interval=2, by_epoch=False))
    runner.run([make_loader()], [("train", 1)])
    names = {path.name for path in tmp_path.glob("*_*.pth")}
    assert names == {"iter_2.pth", "iter_4.pth", "iter_6.pth"}
    later = make_runner(EpochBasedRunner, str(tmp_path), max_epochs=2)
    later.resume(str(tmp_path / "iter_4.pth"))
    later.run([make_loader()], [("train", 1)])
    assert_same(runner, later)


class Counter(Hook):  # type: ignore[misc]
    """Has a state: how many iterations it has seen, from its own start."""

    def __init__(self, start: int) -> None:
        self.seen = start

    def after_train_iter(self, runner: Any) -> None:
        self.seen += 1

    def state_dict(self) -> dict[str, int]:
        return {"seen": self.seen}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.seen = state["seen"]


class Another(Counter):
    """A hook whose name sorts before the other's."""


def counters(folder: Path, *starts: int) -> tuple[Any, list[Counter]]:
    """A runner of one epoch with a counter for each start."""
    runner = make_runner(EpochBasedRunner, str(folder), max_epochs=1)
    hooks = [Counter(start) for start in starts]
    for hook in hooks:
        runner.register_hook(hook)
    return runner, hooks


def test_each_of_several_hooks_of_a_class_keeps_its_state(tmp_path: Path) -> None:
    runner, _ = counters(tmp_path, 0, 10, 20)
    runner.register_hook(Another(0), "HIGH")
    runner.register_hook(Save(lambda r: True, inside=False), "LOW")
    runner.run([make_loader()], [("train", 1)])
    states = torch.load(tmp_path / "saved.pth", weights_only=True)["hook_state"]
    assert sorted(states) == ["Another", "Counter", "Counter#1", "Counter#2"]
    later, hooks = counters(tmp_path, 0, 0, 0)
    later.resume(str(tmp_path / "saved.pth"))
    assert [hook.seen for hook in hooks] == [3, 13, 23]


def test_an_earlier_checkpoint_has_the_state_of_the_last_one(tmp_path: Path) -> None:
    runner, _ = counters(tmp_path, 20)
    runner.register_hook(Save(lambda r: True, inside=False), "LOW")
    runner.run([make_loader()], [("train", 1)])
    later, hooks = counters(tmp_path, 0, 0)
    said: list[str] = []
    later.logger.warning = lambda text, *args: said.append(text % args)
    try:
        later.resume(str(tmp_path / "saved.pth"))
    finally:
        del later.logger.warning
    assert [hook.seen for hook in hooks] == [0, 23]
    assert said == ["the checkpoint has no state of Counter#1: it restarts"]
