"""Section of the report that explains the classifiers: the occlusion test and the heat maps.

The occlusion test compares a classifier on whole images, with the lesion hidden, and with the
lesion alone; ``interpretation`` says in plain words what the scores mean. The numbers and pictures
are those that the explanations of the study left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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

from ..records import Results, RunRecord
from .html import Section, arm_colors, css_colors, data_uri
from .tables import arm_titles, number

_ROWS = {AS_IS: "image as it is", HIDDEN: "lesion hidden", ONLY: "lesion alone"}


@dataclass(frozen=True)
class ShownCase:
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
    # Without a lead over chance there is nothing that hiding the lesion could take away.
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
class ShownExplanation:
    """The explanation of one classifier, as the report shows it.

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
    right: list[ShownCase]
    wrong: list[ShownCase]
    masks: str | None


def occlusion_section(study_dir: Path, results: Results) -> Section | None:
    """Return the section of the explanations; None where a study has none so far.

    Raises:
        UserError: The file of one is damaged.
    """
    explanations = list(_shown_explanations(study_dir, results.runs))
    if not explanations:
        return None
    context = {
        "explanations": explanations,
        "colors": css_colors(arm_colors(results.runs)),
        "number": number,
    }
    return Section("occlusion.html.j2", context, "occlusion.css")


def _shown_explanations(study_dir: Path, runs: Sequence[RunRecord]) -> Iterator[ShownExplanation]:
    """Yield the explanation of each classifier that has one."""
    for run in runs:
        folder = study_dir / "finetune" / run.arm / "explain"
        explanation = read_explanation(folder)
        if explanation is not None:
            title = arm_titles(runs)(run.arm)
            yield _shown_explanation(run.arm, title, explanation, folder)


def _shown_explanation(
    arm: str, title: str, explanation: Explanation, folder: Path
) -> ShownExplanation:
    """Return an explanation with its pictures."""
    shown = [
        ShownCase(
            case,
            explanation.classes[case.label],
            explanation.classes[case.predicted],
            data_uri(folder / PICTURES / case.picture),
            None if case.heat is None else data_uri(folder / PICTURES / case.heat),
        )
        for case in explanation.cases
    ]
    return ShownExplanation(
        arm=arm,
        title=title,
        explanation=explanation,
        rows=[(name, explanation.blackout.views[view]) for view, name in _ROWS.items()],
        interpretation=interpretation(title, explanation.blackout),
        right=[s for s in shown if s.case.label == s.case.predicted],
        wrong=[s for s in shown if s.case.label != s.case.predicted],
        masks=data_uri(folder / SHEET),
    )
