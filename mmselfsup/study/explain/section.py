"""What the report shows of the explanations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data_uri import data_uri
from ..record import RunRecord
from ..verdict import display_name
from .files import (
    AS_IS,
    HIDDEN,
    ONLY,
    PICTURES,
    SHEET,
    Case,
    Explanation,
    ViewScore,
    read_explanation,
)
from .reading import reading

_ROWS = {AS_IS: "image as it is", HIDDEN: "lesion hidden", ONLY: "lesion alone"}


@dataclass(frozen=True)
class Shown:
    """A test image of the page: names of its classes, its pictures, its probability."""

    case: Case
    label: str
    predicted: str
    picture: str | None
    heat: str | None


@dataclass(frozen=True)
class Section:
    """What one classifier looks at.

    Attributes:
        arm: Its name in the study.
        title: Its name for people.
        explanation: The numbers.
        rows: The views with their names.
        reading: What the numbers mean, in plain words.
        right: Test images that it told rightly.
        wrong: Test images that it did not.
        masks: Sheet of masks, a data URI; None where it isn't there.
    """

    arm: str
    title: str
    explanation: Explanation
    rows: list[tuple[str, ViewScore]]
    reading: str
    right: list[Shown]
    wrong: list[Shown]
    masks: str | None


def explain_sections(work_dir: Path, runs: Sequence[RunRecord]) -> list[Section]:
    """Read the explanations of a study that are there.

    Raises:
        UserError: The file of one is damaged.
    """
    sections = []
    for run in runs:
        folder = work_dir / "finetune" / run.arm / "explain"
        found = read_explanation(folder)
        if found is not None:
            sections.append(_section(run.arm, found, folder))
    return sections


def _section(arm: str, found: Explanation, folder: Path) -> Section:
    """Gather the pictures."""
    shown = [
        Shown(
            case,
            found.classes[case.label],
            found.classes[case.predicted],
            data_uri(folder / PICTURES / case.picture),
            None if case.heat is None else data_uri(folder / PICTURES / case.heat),
        )
        for case in found.cases
    ]
    title = display_name(arm)
    return Section(
        arm=arm,
        title=title,
        explanation=found,
        rows=[(name, found.blackout.views[view]) for view, name in _ROWS.items()],
        reading=reading(title, found.blackout),
        right=[s for s in shown if s.case.label == s.case.predicted],
        wrong=[s for s in shown if s.case.label != s.case.predicted],
        masks=data_uri(folder / SHEET),
    )
