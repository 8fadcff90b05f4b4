"""Section of the report that shows the explanations.

Interpretation of the occlusion test in plain words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmselfsup.evaluation.explanation_files import (
    AS_IS,
    HIDDEN,
    ONLY,
    PICTURES,
    SHEET,
    Case,
    Explanation,
    OcclusionScores,
    ViewScore,
    read_explanation,
)

from ..records import RunRecord
from .html import data_uri
from .tables import display_name

_ROWS = {AS_IS: "image as it is", HIDDEN: "lesion hidden", ONLY: "lesion alone"}


@dataclass(frozen=True)
class Shown:
    """A test image of the report: its case, the names of its classes, its pictures."""

    case: Case
    label: str
    predicted: str
    picture: str | None
    heat: str | None


def interpretation(title: str, occlusion: OcclusionScores) -> str:
    """Return what the scores mean, and no more than their intervals allow.

    Args:
        title: Name of the classifier.
        occlusion: Its scores.
    """
    chance = occlusion.chance
    whole, hidden, only = (occlusion.views[view] for view in (AS_IS, HIDDEN, ONLY))
    name = title[0].upper() + title[1:]
    if whole.balanced_low <= chance:
        return f"{name} is not surely better than chance on whole images: hiding shows nothing."
    lead = whole.balanced_accuracy - chance
    # Of the lead over chance, the fractions that either view has.
    hidden_lead, only_lead = (
        max((view.balanced_accuracy - chance) / lead, 0.0) for view in (hidden, only)
    )
    if hidden.balanced_low > chance:
        text = (
            f"{name} keeps {hidden_lead:.0%} of its lead over chance with the lesion hidden: that "
            "comes from what lies around it (skin, hair, marks, light, the outline of the hole)."
        )
    else:
        text = (
            f"{name} with the lesion hidden is no longer surely better than chance: nothing shows "
            "that it uses more than the lesion."
        )
    return f"{text} From the lesion alone it has {only_lead:.0%} of the lead."


@dataclass(frozen=True)
class Section:
    """The explanation of one classifier.

    Attributes:
        arm: Name of the classifier in the study.
        title: Name of the classifier in the report.
        explanation: The explanation.
        rows: The views with their names.
        interpretation: What the scores mean, in plain words.
        right: Test images that it classifies correctly.
        wrong: Test images that it classifies wrongly.
        masks: Sheet of masks, a data URI; None where the file is missing.
    """

    arm: str
    title: str
    explanation: Explanation
    rows: list[tuple[str, ViewScore]]
    interpretation: str
    right: list[Shown]
    wrong: list[Shown]
    masks: str | None


def explain_sections(work_dir: Path, runs: Sequence[RunRecord]) -> list[Section]:
    """Return the explanations that a study has so far.

    Raises:
        UserError: The file of one is damaged.
    """
    sections = []
    for run in runs:
        folder = work_dir / "finetune" / run.arm / "explain"
        explanation = read_explanation(folder)
        if explanation is not None:
            sections.append(_section(run.arm, explanation, folder))
    return sections


def _section(arm: str, explanation: Explanation, folder: Path) -> Section:
    """Return the section with its pictures."""
    shown = [
        Shown(
            case,
            explanation.classes[case.label],
            explanation.classes[case.predicted],
            data_uri(folder / PICTURES / case.picture),
            None if case.heat is None else data_uri(folder / PICTURES / case.heat),
        )
        for case in explanation.cases
    ]
    title = display_name(arm)
    return Section(
        arm=arm,
        title=title,
        explanation=explanation,
        rows=[(name, explanation.blackout.views[view]) for view, name in _ROWS.items()],
        interpretation=interpretation(title, explanation.blackout),
        right=[s for s in shown if s.case.label == s.case.predicted],
        wrong=[s for s in shown if s.case.label != s.case.predicted],
        masks=data_uri(folder / SHEET),
    )
