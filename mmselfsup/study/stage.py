"""Stages of steps that may run in parallel: done ones are skipped, a failure stops all."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.json_log import log_files, read_log
from mmselfsup.utils.progress import progress

from .launch import run_all
from .machine import Machine
from .process import Command
from .step import Step

DIVERGED = "diverged"
_UPDATE_S = 2.0


@dataclass(frozen=True)
class Job:
    """A step and the command that does it.

    Attributes:
        step: The step.
        command: The command.
        epochs: Epochs it trains; 0 if it doesn't train.
        may_diverge: A loss that isn't finite is a result, not a failure.
    """

    step: Step
    command: Command
    epochs: int = 0
    may_diverge: bool = False

    def is_done(self) -> bool:
        """Return whether there is nothing left to do: a divergence counts if it is a result."""
        return self.step.is_done() and (self.may_diverge or not self.step.outcome())


def run_stage(title: str, jobs: Sequence[Job], machine: Machine, at_a_time: int = 0) -> None:
    """Do the steps that aren't done yet.

    Args:
        title: What the stage does, for the terminal.
        jobs: The steps; those with a log run in parallel with one progress bar.
        machine: Determines how many of them run at a time, with how many threads.
        at_a_time: Jobs at a time; 0: chosen for the machine.

    Raises:
        UserError: A command failed.
    """
    print(f"\n== {title}", flush=True)
    todo = [job for job in jobs if not job.is_done()]
    for job in jobs:
        if job not in todo:
            print(f"{job.step.name}: up to date, skipped")
    for job in todo:
        print(f"{job.step.begin()}\n$ {job.command}", flush=True)
    if not todo:
        return
    began = time.monotonic()
    at_a_time = machine.jobs(at_a_time, len(todo))
    total = sum(job.epochs for job in todo if job.command.log)  # others show their own progress
    # smoothing=0: time left by the mean speed, as a log shows the first epoch only at its end.
    show = progress(desc=title, total=total, unit="epoch", smoothing=0) if total else nullcontext()
    with show as bar:
        progress_bar = _LogProgress(todo, bar)
        run_all(
            [job.command for job in todo],
            at_a_time,
            machine.warm,
            machine.threads(at_a_time),
            on_end=lambda number, code, seconds: _end(todo[number], code, seconds),
            on_poll=progress_bar.update,
        )
        progress_bar.update(now=True)
    print(f"{title}: {(time.monotonic() - began) / 60:.1f} min", flush=True)


class _LogProgress:
    """A progress bar that follows the logs of running trainings."""

    def __init__(self, jobs: Sequence[Job], bar: tqdm | None) -> None:
        self._jobs, self._bar, self._last = jobs, bar, 0.0
        # Logs of a run that was stopped: what it did after its last checkpoint is repeated.
        self._old = {path for job in jobs for path in log_files(job.step.folder)}

    def update(self, now: bool = False) -> None:
        """Read the logs and move the bar, every other second or now."""
        if self._bar is None or (time.monotonic() - self._last < _UPDATE_S and not now):
            return
        self._last = time.monotonic()
        logs = [read_log(job.step.folder, without=self._old) for job in self._jobs]
        epochs = [
            job.epochs if job.is_done() else min(job.epochs, log.epochs_done())
            for job, log in zip(self._jobs, logs, strict=True)
        ]
        if len(logs) == 1 and logs[0].train:
            self._bar.set_postfix(loss=logs[0].train[-1].get("loss"), refresh=False)
        self._bar.update(max(0, sum(epochs) - self._bar.n))


def _end(job: Job, code: int | None, seconds: float) -> None:
    """Mark a step whose command has ended as done, or raise an error that says why it failed."""
    if code == 0 or (code and job.may_diverge and _diverged(job)):
        job.step.finish(seconds, DIVERGED if code else "")
        return
    job.step.add_time(seconds)
    if code is None:  # stopped by this process, which reports the reason itself
        return
    if code in (130, -2):  # SIGINT: of a shell, or of a process
        raise KeyboardInterrupt
    reason = f"exit code {code}, see the lines above"
    if job.command.log:
        last = _last_line(job.command.log) or f"it printed nothing, exit code {code}"
        reason = f"{last} (all of it: {job.command.log})"
    raise UserError(f"{job.step.name} failed: {reason}")


def _diverged(job: Job) -> bool:
    """Return whether a training stopped because its loss wasn't a finite number."""
    log = job.command.log
    return log is not None and "loss is not finite" in log.read_text(errors="replace")


def _last_line(log: Path) -> str:
    """Return the last line of a log with an error, otherwise its last line; empty: none."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "rror" in line]  # Error, error, ValueError
    return (errors or lines or [""])[-1].strip().removeprefix("error: ")
