"""A stage's command line, which also says what its result depends on; runs of several of them.

Done ones are skipped, several run at the same time, and a failure stops all.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mmselfsup.utils.errors import STOPPED, Stopped, UserError
from mmselfsup.utils.json_log import log_files, read_log
from mmselfsup.utils.progress import progress

from ..fingerprint import command_stamp, origin
from ..process import Command, Machine, describe_machine, run_all
from ..step import DIVERGED, DONE, Step, StepRecord, read_record
from .failure import failure_reason, text_since

_UPDATE_S = 2.0
_LOG = "output.log"


@dataclass(frozen=True)
class Stage:
    """A command line with the folder and the files that it writes.

    Attributes:
        name: What it does, for the terminal.
        folder: The folder that belongs to it alone.
        argv: A script and its arguments, relative to the repository.
        root: The repository: where the command runs.
        outputs: Names in the folder without which it isn't done.
        epochs: Epochs it trains; 0 if it doesn't train.
        may_diverge: A loss that isn't finite is a result, not a failure.
        logged: What it prints goes to a log in the folder, not to the terminal.
        reads: Files and folders of images that the command finds by itself, by what they are.
        leaves: See ``Step``.
    """

    name: str
    folder: Path
    argv: tuple[str, ...]
    root: Path
    outputs: tuple[str, ...] = ()
    epochs: int = 0
    may_diverge: bool = False
    logged: bool = False
    reads: Mapping[str, Path] = field(default_factory=dict)
    leaves: tuple[str, ...] = ()

    @property
    def command(self) -> Command:
        """Return the command, as a user could run it."""
        return Command(self.argv, self.root, self.folder / _LOG if self.logged else None)

    @property
    def record(self) -> StepRecord:
        """Return what its folder says of it; that of a step just begun if it says nothing."""
        return read_record(self.folder) or StepRecord()

    @property
    def diverged(self) -> bool:
        """Return whether its loss was not finite."""
        return self.record.outcome == DIVERGED

    def stamp(self, in_fork: bool = False) -> dict[str, Any]:
        """Return everything that the result depends on, from what the command reads now.

        So it is computed when the stages before it are done, and once for a run: what changes
        while the command runs makes the next study start it again.
        """
        return command_stamp(self.argv, self.root, self.reads, in_fork)

    def step(self, in_fork: bool = False) -> Step:
        """Return the step that its folder records, with what the command reads now."""
        return Step(self.name, self.folder, self.stamp(in_fork), self.outputs, self.leaves)


def run_stages(title: str, stages: Sequence[Stage], machine: Machine, at_a_time: int = 0) -> None:
    """Run those stages that aren't done yet.

    Args:
        title: What they do, for the terminal.
        stages: None of them depends on another; those with a log run in parallel with one progress
            bar.
        machine: Determines how many of them run at a time, with how many threads.
        at_a_time: Commands at a time; 0: chosen for the machine.

    Raises:
        UserError: A command failed.
    """
    print(f"\n== {title}", flush=True)
    todo = []
    for stage in stages:
        step = stage.step(machine.warm)
        # A divergence that is no result, as where the order was given, is tried once more.
        if step.is_done() and (stage.may_diverge or not step.outcome()):
            print(f"{stage.name}: up to date, skipped")
        else:
            todo.append((stage, step))
    for stage, step in todo:
        print(f"{step.begin()}\n$ {stage.command}", flush=True)
    if not todo:
        return
    began = time.monotonic()
    # Where this run's lines begin: a resumed training appends to its log.
    starts = [_size(stage.command.log) for stage, _ in todo]
    # By all stages, not by those that are left: another number of threads gives other last bits,
    # and a study that is called again must end as if it had been left alone.
    threads = machine.threads(machine.jobs(at_a_time, len(stages)))
    at_a_time = machine.jobs(at_a_time, len(todo))
    logged = [stage for stage, _ in todo if stage.logged]  # others show their own progress
    total = sum(stage.epochs for stage in logged)
    # smoothing=0: time left by the mean speed, as a log shows the first epoch only at its end.
    show = progress(desc=title, total=total, unit="epoch", smoothing=0) if total else nullcontext()
    with show as bar:
        progress_bar = _LogProgress([stage for stage, _ in todo], bar)
        run_all(
            [stage.command for stage, _ in todo],
            at_a_time,
            machine.warm,
            threads,
            on_end=lambda number, code, seconds: _end(
                *todo[number], machine, code, seconds, starts[number]
            ),
            on_poll=progress_bar.update,
        )
        progress_bar.update(now=True)
    print(f"{title}: {(time.monotonic() - began) / 60:.1f} min", flush=True)


class _LogProgress:
    """A progress bar that follows the logs of running trainings."""

    def __init__(self, stages: Sequence[Stage], bar: tqdm | None) -> None:
        self._stages, self._bar, self._last = stages, bar, 0.0
        # Logs of a run that was stopped: what it did after its last checkpoint is repeated.
        self._old = {path for stage in stages for path in log_files(stage.folder)}

    def update(self, now: bool = False) -> None:
        """Read the logs and move the bar, every other second or now."""
        if self._bar is None or (time.monotonic() - self._last < _UPDATE_S and not now):
            return
        self._last = time.monotonic()
        logs = [read_log(stage.folder, without=self._old) for stage in self._stages]
        epochs = [
            stage.epochs if stage.record.state == DONE else min(stage.epochs, log.epochs_done())
            for stage, log in zip(self._stages, logs, strict=True)
        ]
        if len(logs) == 1 and logs[0].train:
            self._bar.set_postfix(loss=logs[0].train[-1].get("loss"), refresh=False)
        self._bar.update(max(0, sum(epochs) - self._bar.n))


def _size(log: Path | None) -> int:
    """Return the bytes of a log so far."""
    return log.stat().st_size if log is not None and log.exists() else 0


def _end(
    stage: Stage, step: Step, machine: Machine, code: int | None, seconds: float, start: int
) -> None:
    """Mark a step whose command has ended as done, or raise an error that says why it failed.

    Args:
        stage: What ran.
        step: Its step.
        machine: Where it ran.
        code: Its exit code; None: stopped by this process.
        seconds: How long it ran.
        start: Bytes that its log had before.
    """
    text = text_since(stage.command.log, start) if code else ""
    if code == 0 or (code and stage.may_diverge and _has_diverged(text)):
        made_by = origin(stage.root, describe_machine(machine))
        step.finish(seconds, DIVERGED if code else "", made_by)
        return
    step.add_time(seconds)
    if code is None:  # stopped by this process, which reports the reason itself
        return
    if code in (130, -2):  # SIGINT: of a shell, or of a process
        raise KeyboardInterrupt
    if code == STOPPED:
        raise Stopped(f"{stage.name} was asked to stop; the same command continues the study")
    raise UserError(f"{stage.name} failed: {failure_reason(code, text, stage.command.log)}")


def _has_diverged(text: str) -> bool:
    """Return whether a training says that it stopped because of loss or weights not finite."""
    return "loss is not finite" in text or "weights are not finite" in text
