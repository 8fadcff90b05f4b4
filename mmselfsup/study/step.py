"""Steps: skipped when up to date, resumed when interrupted, restarted when settings change.

Each step owns a folder. The stamp ``.step.json`` in it records with which settings the step was
started and whether it was finished.

Stages of steps that may run in parallel: done ones are skipped, a failure stops all.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write_json, sha256
from mmselfsup.utils.json_log import log_files, read_log
from mmselfsup.utils.progress import progress

from .process import Command, Machine, run_all

STAMP = ".step.json"
DIVERGED = "diverged"
_UPDATE_S = 2.0
DONE = ("latest.pth",)


@dataclass(frozen=True)
class Step:
    """One step of the study.

    Attributes:
        name: What the step does, for the terminal.
        folder: The folder that belongs to this step alone.
        settings: Everything the result depends on, as plain JSON values.
        outputs: Names in the folder without which the step isn't done.
    """

    name: str
    folder: Path
    settings: Mapping[str, Any]
    outputs: tuple[str, ...] = ()

    def is_done(self) -> bool:
        """Return whether the result for these settings exists, or another outcome is known."""
        stamp = self._stamp()
        return (
            stamp is not None
            and stamp["state"] == "done"
            and not self._changes(stamp)
            and (bool(stamp.get("outcome")) or not self._missing())
        )

    def begin(self) -> str:
        """Prepare the folder and return a line that says what happens.

        Results of other settings are moved to ``<folder>.old-<n>``; an unfinished run with these
        settings stays, so that it can be resumed.
        """
        stamp = self._stamp()
        line = "starts"
        if self.folder.is_dir() and any(self.folder.iterdir()):
            changes = ["no record of its settings"] if stamp is None else self._changes(stamp)
            if changes:
                aside = self._move_aside()
                line = f"restarts ({'; '.join(changes)}); the old results are in {aside}"
            else:
                line = "resumes where it stopped"
        self._write("started", self.seconds())
        return f"{self.name}: {line}"

    def finish(self, seconds: float, outcome: str = "") -> None:
        """Mark the step as done.

        Args:
            seconds: Wall-clock time since ``begin``; times of interrupted runs are added up.
            outcome: How it ended, if not with its normal result; then outputs may be missing.

        Raises:
            UserError: An output is missing.
        """
        missing = self._missing()
        if missing and not outcome:
            raise UserError(f"{self.name}: {self.folder} lacks {', '.join(missing)}; see its log")
        self._write("done", self.seconds() + seconds, outcome)

    def add_time(self, seconds: float) -> None:
        """Add the time of a run that was interrupted."""
        self._write("started", self.seconds() + seconds)

    def seconds(self) -> float:
        """Return the wall-clock seconds spent on this step so far."""
        stamp = self._stamp()
        return 0.0 if stamp is None else float(stamp.get("seconds", 0.0))

    def outcome(self) -> str:
        """Return how the step ended, if not with its normal result."""
        stamp = self._stamp()
        return "" if stamp is None else str(stamp.get("outcome", ""))

    def _missing(self) -> list[str]:
        """Return the names of the outputs that are missing."""
        return [name for name in self.outputs if not (self.folder / name).exists()]

    def _stamp(self) -> dict[str, Any] | None:
        """Read the stamp; None if there is none or it can't be read."""
        try:
            stamp = json.loads((self.folder / STAMP).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
            return None
        return stamp if isinstance(stamp, dict) and "settings" in stamp else None

    def _changes(self, stamp: Mapping[str, Any]) -> list[str]:
        """Describe the settings that differ from those of the stamp."""
        # Through JSON, as the stamp: tuples become lists.
        old, new = stamp["settings"], json.loads(json.dumps(self.settings))
        return [
            _change(key, old.get(key), new.get(key))
            for key in sorted({*old, *new})
            if old.get(key) != new.get(key)
        ]

    def _move_aside(self) -> Path:
        """Rename the folder to the first free name ``<folder>.old-<n>``."""
        number = 1
        while (aside := self.folder.with_name(f"{self.folder.name}.old-{number}")).exists():
            number += 1
        self.folder.rename(aside)
        return aside

    def _write(self, state: str, seconds: float, outcome: str = "") -> None:
        stamp = {
            "state": state,
            "outcome": outcome,
            "seconds": round(seconds, 1),
            "settings": dict(self.settings),
        }
        atomic_write_json(self.folder / STAMP, stamp)


def _change(key: str, old: Any, new: Any) -> str:
    """Describe how a setting changed; long values (hashes, lists) by their name only."""
    # A hash tells the reader nothing: then only the name of the setting.
    short = all(isinstance(v, (int, float)) or v is None or len(str(v)) <= 30 for v in (old, new))
    return f"{key} {old} -> {new}" if short else f"{key} changed"


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


def content(path: Path | None) -> str | None:
    """Return the hash of a file, if there is one."""
    return None if path is None else sha256(path)[:16]


def hash_of(facts: Any) -> str:
    """Return the hash of settings."""
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
