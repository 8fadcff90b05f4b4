"""Section of the report on one class against the rest: ROC, operating points, decision curve.

For melanoma, or the first class where there is none; the table has every class. All comes from
the scores of the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmselfsup.metrics import probabilities
from mmselfsup.metrics.curves import net_benefit, roc_points, sensitivity_at, specificity_at

from ..records import Results, class_names
from ..settings import SCRATCH
from ..stages.test import SCORES, read_scores
from .html import MUTED, Section, arm_colors, css_colors, panel, to_svg
from .tables import arm_legends, number, run_label

#: Names of the class that the curves are of, where a study has it, in small letters.
_FIRST = ("mel", "melanoma", "malignant")
SENSITIVITIES = (0.8, 0.9, 0.95)
SPECIFICITIES = (0.9,)
_THRESHOLDS = np.linspace(0.01, 0.5, 50)
_Scores = dict[str, tuple[NDArray[np.float64], NDArray[np.int64]]]  # arm -> probabilities, labels


@dataclass(frozen=True)
class ClassRows:
    """The operating points of one class.

    Attributes:
        name: The class.
        count: Its test images.
        rows: Name of each classifier, its colour, and its numbers.
    """

    name: str
    count: int
    rows: list[tuple[str, str, list[str]]]


def operating_section(study_dir: Path, results: Results) -> Section | None:
    """Return the section; None where the scores of the tests are gone."""
    arms = [run.arm for run in results.runs]
    scores = scores_of(study_dir, arms)
    if not scores:
        return None
    names = class_names(results.runs)
    labels = next(iter(scores.values()))[1]
    present = [n for n in range(len(names)) if 0 < (labels == n).sum() < len(labels)]
    if not present:
        return None
    shown = next((n for n in present if names[n].lower() in _FIRST), present[0])
    colors = arm_colors(results.runs)
    keys, title = css_colors(colors), arm_legends(results.runs)
    labels_of_arms = {run.arm: (run_label(run), keys[run.arm]) for run in results.runs}
    context = {
        "shown": names[shown],
        "rest": names[1 - shown] if len(names) == 2 else "the rest",
        "curves": [draw(scores, shown, colors, title) for draw in (roc_figure, decision_figure)],
        "heads": [
            ("specificity at a sensitivity of", [f"{value:.2f}" for value in SENSITIVITIES]),
            ("sensitivity at a specificity of", [f"{value:.2f}" for value in SPECIFICITIES]),
        ],
        "columns": 1 + len(SENSITIVITIES) + len(SPECIFICITIES),
        "classes": [
            ClassRows(
                names[n],
                int((labels == n).sum()),
                [(*labels_of_arms[arm], points(*scores[arm], n)) for arm in scores],
            )
            for n in sorted(present, key=lambda n: n != shown)
        ],
    }
    return Section("operating.html.j2", context)


def scores_of(study_dir: Path, arms: Sequence[str]) -> _Scores:
    """Return probabilities [N, C] and labels [N] of the arms whose tests have left them."""
    paths = {arm: study_dir / "finetune" / arm / "test" / SCORES for arm in arms}
    found = {arm: read_scores(path) for arm, path in paths.items() if path.is_file()}
    return {arm: (probabilities(scores), labels) for arm, (scores, labels) in found.items()}


def points(probs: NDArray[np.float64], labels: NDArray[np.int64], number_: int) -> list[str]:
    """Return the operating points of one class, as text."""
    p, positive = probs[:, number_], labels == number_
    values = [specificity_at(p, positive, value) for value in SENSITIVITIES]
    values += [sensitivity_at(p, positive, value) for value in SPECIFICITIES]
    return [number(value, 3) for value in values]


def roc_figure(
    scores: _Scores, shown: int, colors: Mapping[str, str], title: Callable[[str], str]
) -> str:
    """Draw the ROC curve of one class, a line for each arm."""
    with panel(height=4.3) as (figure, axes):
        axes.plot((0, 1), (0, 1), ":", color=MUTED, linewidth=1)
        for arm, (probs, labels) in scores.items():
            rates, sensitivities = roc_points(probs[:, shown], labels == shown)
            style = "--" if arm == SCRATCH else "-"
            axes.plot(rates, sensitivities, style, color=colors[arm], label=title(arm))
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.set_xlabel("1 \N{MINUS SIGN} specificity")
        axes.set_ylabel("sensitivity")
        axes.legend(loc="lower right")
        return to_svg(figure, "roc", "ROC curve, one class against the rest")


def decision_figure(
    scores: _Scores, shown: int, colors: Mapping[str, str], title: Callable[[str], str]
) -> str:
    """Draw the net benefit of one class over the threshold, a line for each arm."""
    with panel(height=4.3) as (figure, axes):
        lowest = 0.0
        for arm, (probs, labels) in scores.items():
            benefit = net_benefit(probs[:, shown], labels == shown, _THRESHOLDS)
            style = "--" if arm == SCRATCH else "-"
            axes.plot(_THRESHOLDS, benefit, style, color=colors[arm], label=title(arm))
            lowest = min(lowest, float(benefit.min()))
        labels = next(iter(scores.values()))[1]
        everyone = net_benefit(np.ones(len(labels)), labels == shown, _THRESHOLDS)
        axes.plot(_THRESHOLDS, everyone, ":", color=MUTED, linewidth=1, label="act on all")
        axes.axhline(0, color=MUTED, linewidth=1, label="act on none")
        share = float((labels == shown).mean())
        axes.set(xlim=(0, 0.5), ylim=(max(lowest, -share / 2) - 0.01, share * 1.05 + 0.01))
        axes.set_xlabel("threshold of the probability")
        axes.set_ylabel("net benefit")
        axes.legend(loc="best")
        return to_svg(figure, "decision", "Net benefit over the threshold, one class")
