"""What is killed: the processes of a command, and what must be equal afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .processes import Work

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Scenario:
    """A command that can be called again.

    Its functions get the folder of all trials and the name of the output of one trial.

    Attributes:
        name: Its name.
        works: Returns what each process of one call does.
        state: Returns all that a finished command left, as values that ``==`` compares.
        signs: Returns the number of signs that calls have begun their work: one more means that
            the call just made has.
        alone: Whether each process may also be killed alone: the parent without its children, or
            one of several.
        stopped: Whether it is asked to stop by a signal, and not killed.
        reads: Name of the scenario whose run that was left alone this one reads; empty: none.
        reference: Returns what ``state`` must be; None: that of a run that was left alone.
    """

    name: str
    works: Callable[[Path, str], Sequence[Work]]
    state: Callable[[Path, str], dict[str, Any]]
    signs: Callable[[Path, str], int] | None = None
    alone: bool = False
    stopped: bool = False
    reads: str = ""
    reference: Callable[[Path], dict[str, Any]] | None = None


def text_of(place: Path, out: str, number: int = 0) -> Path:
    """Return the file of what a process prints."""
    return place / f"{out}.rank{number}.txt"
