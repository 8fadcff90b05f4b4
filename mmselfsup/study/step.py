"""Steps: skipped when up to date, resumed when interrupted, restarted when settings change.

Each step owns a folder. The stamp ``.step.json`` in it records with which settings the step was
started and whether it was finished.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write_json

STAMP = ".step.json"


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
