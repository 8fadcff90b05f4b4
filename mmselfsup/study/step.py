"""Steps: skipped when up to date, resumed when interrupted, restarted when settings change.

Each step owns a folder. The record ``.step.json`` in it says with which settings the step was
started, whether it was finished, what it wrote, and who made it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import (
    atomic_write_json,
    forget_hashes,
    json_value,
    remove_leftovers,
    sha256,
)
from mmselfsup.utils.json_records import from_json

RECORD = ".step.json"
#: Version of the record's layout. Records of form 1 had no number, and settings of another kind.
FORM = 2
DIVERGED = "diverged"
#: What a training leaves, by the name that mmcv gives its last checkpoint.
CHECKPOINT = "latest.pth"
STARTED, DONE = "started", "done"
_ABSENT = "not given"  # unlike an override KEY=None, which takes a key of the config away
_DIGEST = "sha256:"
_TRUSTED = {"times": True}  # whether a file of the same size and time has the same content


@dataclass(frozen=True)
class Output:
    """A file as the step that wrote it left it: a replaced one differs."""

    size: int
    mtime_ns: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Output:
        """Describe a file."""
        stat = path.stat()
        return cls(stat.st_size, stat.st_mtime_ns, sha256(path))

    def is_still(self, path: Path) -> bool:
        """Return whether a file is the one described; it exists."""
        stat = path.stat()
        if stat.st_size != self.size:
            return False
        # A copied work directory has other times: then the content decides.
        same_time = stat.st_mtime_ns == self.mtime_ns
        return (same_time and _TRUSTED["times"]) or sha256(path) == self.sha256


@dataclass(frozen=True)
class StepRecord:
    """What ``.step.json`` says.

    Attributes:
        settings: Everything that the result depends on, as plain JSON values.
        state: ``started`` or ``done``.
        outcome: How it ended, if not with its normal result.
        seconds: Wall-clock time so far.
        outputs: The files that it left, by name.
        made_by: Version of the code, revision, date and machine of a finished step.
        form: Version of this layout.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    state: str = STARTED
    outcome: str = ""
    seconds: float = 0.0
    outputs: Mapping[str, Output] = field(default_factory=dict)
    made_by: Mapping[str, Any] | None = None
    form: int = FORM

    @property
    def hash(self) -> str:
        """Hash of the settings."""
        text = json.dumps(self.settings, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_record(folder: Path) -> StepRecord | None:
    """Return the record of a folder; None if there is none or it can't be read."""
    try:
        data = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return from_json(StepRecord, {"form": 1, **data, "settings": data["settings"]})
    except (OSError, ValueError, KeyError, TypeError):  # unreadable, or of another layout
        return None


@dataclass(frozen=True)
class Step:
    """One step of the study.

    Attributes:
        name: What the step does, for the terminal.
        folder: The folder that belongs to this step alone.
        settings: Everything the result depends on, as plain JSON values.
        outputs: Names in the folder without which the step isn't done.
        leaves: Names of further files that it leaves, which may be removed: they are recorded, so
            that a step with the same settings that needs them need not run again.
    """

    name: str
    folder: Path
    settings: Mapping[str, Any]
    outputs: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()

    def is_done(self) -> bool:
        """Return whether the result for these settings exists, or another outcome is known."""
        record = read_record(self.folder)
        return record is not None and record.state == DONE and not self._changes(record)

    def begin(self) -> str:
        """Prepare the folder and return a line that says what happens.

        Results of other settings, and those of which an output was replaced or deleted, are moved
        to ``<folder>.old-<n>``; an unfinished run with these settings stays, so that it can be
        resumed.
        """
        record = read_record(self.folder)
        # Of this record too: alone, it would be a foreign folder.
        for folder in (self.folder, *self.folder.rglob("*/")):
            remove_leftovers(folder)
        line = "starts"
        if self.folder.is_dir() and any(self.folder.iterdir()):
            changes = ["no record of its settings"] if record is None else self._changes(record)
            if changes:
                aside = self._move_aside()
                line = f"restarts ({'; '.join(changes)}); the old results are in {aside}"
            else:
                line = "resumes where it stopped"
        self._write(StepRecord(self.settings, seconds=self.seconds()))
        return f"{self.name}: {line}"

    def finish(
        self, seconds: float, outcome: str = "", made_by: Mapping[str, Any] | None = None
    ) -> None:
        """Mark the step as done.

        Args:
            seconds: Wall-clock time since ``begin``; times of interrupted runs are added up.
            outcome: How it ended, if not with its normal result; then outputs may be missing.
            made_by: Version of the code, revision, date and machine.

        Raises:
            UserError: An output is missing.
        """
        missing = [name for name in self.outputs if not (self.folder / name).exists()]
        if missing and not outcome:
            raise UserError(f"{self.name}: {self.folder} lacks {', '.join(missing)}; see its log")
        left = [name for name in self.leaves if (self.folder / name).is_file()]
        outputs = {
            name: Output.of(self.folder / name)
            for name in (*self.outputs, *left)
            if name not in missing
        }
        total = self.seconds() + seconds
        self._write(StepRecord(self.settings, DONE, outcome, total, outputs, made_by))

    def add_time(self, seconds: float) -> None:
        """Add the time of a run that was interrupted."""
        self._write(StepRecord(self.settings, seconds=self.seconds() + seconds))

    def seconds(self) -> float:
        """Return the wall-clock seconds spent on this step so far."""
        return (read_record(self.folder) or StepRecord()).seconds

    def outcome(self) -> str:
        """Return how the step ended, if not with its normal result."""
        return (read_record(self.folder) or StepRecord()).outcome

    def _changes(self, record: StepRecord) -> list[str]:
        """Describe what differs from a record: settings, and outputs of a finished step."""
        if record.form != FORM:
            return ["its record is of an older version, which did not store all that it depends on"]
        # Through JSON, as the record: tuples become lists, infinity null.
        old, new = record.settings, json.loads(json.dumps(json_value(self.settings)))
        changes = [
            _change(key, old.get(key, _ABSENT), new.get(key, _ABSENT))
            for key in sorted({*old, *new})
            if old.get(key, _ABSENT) != new.get(key, _ABSENT)
        ]
        if record.state != DONE or record.outcome:
            return changes
        for name in self.outputs:
            path, output = self.folder / name, record.outputs.get(name)
            if not path.exists():
                changes.append(f"{name} was deleted")
            elif output is None or not output.is_still(path):
                changes.append(f"{name} was replaced")
        return changes

    def _move_aside(self) -> Path:
        """Rename the folder to the first free name ``<folder>.old-<n>``."""
        number = 1
        while (aside := self.folder.with_name(f"{self.folder.name}.old-{number}")).exists():
            number += 1
        self.folder.rename(aside)
        return aside

    def _write(self, record: StepRecord) -> None:
        facts = asdict(record)
        facts["seconds"] = round(record.seconds, 1)
        atomic_write_json(self.folder / RECORD, facts)


def verify_content(wanted: bool) -> None:
    """Compare the content of outputs from now on, also where size and time are those recorded."""
    _TRUSTED["times"] = not wanted
    if wanted:
        forget_hashes()


def content(path: Path) -> str:
    """Return the hash of a file as a value of a step's settings."""
    return _DIGEST + sha256(path)[:16]


def digest(text: str) -> str:
    """Return the hash of a text as a value of a step's settings."""
    return _DIGEST + hashlib.sha256(text.encode()).hexdigest()[:16]


def _change(key: str, old: Any, new: Any) -> str:
    """Describe how a setting changed; long values and hashes by their name only."""
    # A hash tells the reader nothing: then only the name of the setting.
    values = str(old), str(new)
    short = all(len(value) <= 30 and not value.startswith(_DIGEST) for value in values)
    return f"{key} {old} -> {new}" if short else f"{key} changed"
