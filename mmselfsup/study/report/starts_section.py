"""Section of the report on the arms of ``--start``: what they start from, their cost, all pairs."""

from __future__ import annotations

from pathlib import Path

from ..arm_records import ArmRecord
from ..records import Results
from ..starts import ADAPTATIONS
from .html import Section, arm_colors, css_colors
from .pairs import PAIRS_NOTE, p_text, pairs_of_study
from .tables import STARTS_NOTE, minutes, passes, run_label


def starts_section(study_dir: Path, results: Results) -> Section | None:
    """Return the section of the starts; None without ``--start``."""
    if not results.arms:
        return None
    runs = {run.arm: run for run in results.runs}
    context = {
        "arms": [(arm, runs[arm.arm]) for arm in results.arms if arm.arm in runs],
        "colors": css_colors(arm_colors(results.runs)),
        "run_label": run_label,
        "origin": origin,
        "passes": passes,
        "minutes": minutes,
        "note": STARTS_NOTE,
        "pairs": pairs_of_study(results),
        "pairs_note": PAIRS_NOTE,
        "p_text": p_text,
    }
    return Section("starts.html.j2", context)


def origin(arm: ArmRecord) -> str:
    """Return what an arm starts from, in words."""
    adapted = f", adapted by {ADAPTATIONS[arm.adapt]}" if arm.adapt in ADAPTATIONS else ""
    if arm.teacher is not None:
        return f"random weights, teacher {arm.teacher}"
    return "random weights" if arm.weights is None else f"{arm.weights}{adapted}"
