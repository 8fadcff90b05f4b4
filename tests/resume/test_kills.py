"""Kill a run before each of its writes in turn, call it again: all is as without the kill."""

import logging
import multiprocessing
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv.runner import HOOKS, IterTimerHook, TextLoggerHook
from torch import Tensor
from torch.utils.data import DataLoader

from mmselfsup.core.checkpoint import newest_checkpoint
from mmselfsup.core.hooks import DistOptimizerHook, EvalHook
from mmselfsup.core.runner import EpochBasedRunner, IterBasedRunner
from mmselfsup.utils.json_log import read_log
from mmselfsup.utils.seed import set_random_seed
from tests.hooks.conftest import TinyData, TinyModel

EPOCHS = 2
#: Calls that change a folder, or are followed by one.
WRITES = ((os, "replace"), (os, "unlink"), (os, "symlink"), (tempfile, "mkstemp"))
_fork = multiprocessing.get_context("fork")


class Kill:
    """The end of the process at the ``at``-th write; counts them, too."""

    def __init__(self, at: int | None) -> None:
        self.at, self.number = at, 0

    def __call__(self) -> None:
        self.number += 1
        if self.number == self.at:
            os._exit(9)

    def before(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self()
            return function(*args, **kwargs)

        return call


class Scored(TinyData):
    """A score that depends on the weights, and a detail of it."""

    def evaluate(self, results: dict[str, Any], logger: Any = None, **kwargs: Any) -> Any:
        right = results["head0"][range(len(self)), self.gt_labels]
        score = float(right.mean())
        return {"score": score, "per_class/bright": score}


def call(folder: Path, number: int, kill: Kill, rule: str, by_epoch: bool) -> None:
    """Train, or resume from what is in the folder, as ``tools/train.py --auto-resume``."""
    set_random_seed(0)
    model = TinyModel()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    length = dict(max_epochs=EPOCHS) if by_epoch else dict(max_iters=2 * EPOCHS)
    runner_class = EpochBasedRunner if by_epoch else IterBasedRunner
    logger = logging.getLogger("tests.kills")
    logger.setLevel(logging.INFO)
    runner: Any = runner_class(
        model, optimizer=optimizer, work_dir=str(folder), logger=logger, meta={}, **length
    )
    runner.timestamp = f"run{number}"
    runner.register_hook(DistOptimizerHook())
    runner.register_hook(IterTimerHook())
    every = dict(interval=1 if by_epoch else 2, by_epoch=by_epoch)
    runner.register_checkpoint_hook(dict(**every, max_keep_ckpts=1))
    val = DataLoader(Scored(), batch_size=4)
    runner.register_hook(EvalHook(val, save_best="score", rule=rule, **every), priority="LOW")
    log = HOOKS.build(dict(type="TextLoggerHook", interval=1, by_epoch=by_epoch))
    runner.register_hook(log, priority="VERY_LOW")
    path, _ = newest_checkpoint(folder)
    if path:
        runner.resume(path)
    for module, name in WRITES:
        setattr(module, name, kill.before(getattr(module, name)))
    os.fsync = lambda handle: kill()  # the data are there; no power goes off in this test
    Scored.evaluate = kill.before(Scored.evaluate)  # type: ignore[method-assign]
    TextLoggerHook._dump_log = kill.before(TextLoggerHook._dump_log)
    runner.run([DataLoader(TinyData(), batch_size=4)], [("train", 1)])


def in_a_fork(folder: Path, *args: Any) -> int:
    """Call in a process of its own; return its exit code."""
    process = _fork.Process(target=call, args=(folder, *args))
    process.start()
    process.join(60)
    assert process.exitcode is not None, "hangs"
    return process.exitcode


def state_of(folder: Path) -> dict[str, Any]:
    """Everything in a work dir: file names, contents, and the evaluations in the logs."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.suffix == ".pth":
            found[name] = plain(torch.load(path, weights_only=True), str(folder))
        elif path.is_file() and not name.startswith("run"):
            found[name] = path.read_text()
    return {**found, "evaluations": read_log(folder).val_curve("score")}


def plain(value: Any, folder: str) -> Any:
    """Values that ``==`` compares, without the name of the folder."""
    if isinstance(value, dict):
        return {key: plain(item, folder) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, folder) for item in value]
    if isinstance(value, Tensor):
        return (value.dtype, value.tolist())
    return value.replace(folder, "") if isinstance(value, str) else value


# "less": the first epoch stays the best one; "greater": each epoch replaces the best one.
@pytest.mark.parametrize(
    ("rule", "by_epoch"), [("greater", True), ("less", True), ("greater", False)]
)
def test_killed_before_any_write(rule: str, by_epoch: bool, tmp_path: Path) -> None:
    def run(name: str, number: int, at: int | None) -> int:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        return in_a_fork(folder, number, Kill(at), rule, by_epoch)

    assert run("whole", 1, None) == 0
    whole = state_of(tmp_path / "whole")
    last = EPOCHS if by_epoch else 2 * EPOCHS
    best = last if rule == "greater" else (1 if by_epoch else 2)
    unit = "epoch" if by_epoch else "iter"
    assert {"backbone.pth", f"best_score_{unit}_{best}.pth", f"{unit}_{last}.pth"} <= whole.keys()
    assert len(whole["evaluations"]) == EPOCHS
    at = 1
    while run(f"killed{at}", 1, at) == 9:
        assert run(f"killed{at}", 2, None) == 0
        again = state_of(tmp_path / f"killed{at}")
        assert again.keys() == whole.keys(), at
        for name, content in whole.items():
            assert again[name] == content, (at, name)
        at += 1
    assert at > 18 * EPOCHS  # checkpoint, link, backbone, best, metrics and log of each epoch
