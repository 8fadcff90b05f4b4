"""Section of the report on how the trainings went.

Learning curves from the logs, the learning rates tried, and the augmented views that the
pre-trainings see, a picture that each of them left in its folder.
"""

from __future__ import annotations

from pathlib import Path

from ..records import Results
from ..settings import JOIN
from .figures import learning_curves
from .html import Section, arm_colors, data_uri
from .tables import by_arm, display_name, minutes, number, run_label


def training_section(study_dir: Path, results: Results) -> Section:
    """Return the section of the trainings; curves and pictures of missing files are left out."""
    colors = arm_colors([run.arm for run in results.runs])
    labels = {run.arm: run_label(run) for run in results.runs}
    context = {
        "curves": learning_curves(results, colors, study_dir),
        "search": by_arm(results.lr_search),
        "arm_label": lambda arm: labels.get(arm) or display_name(arm),
        "number": number,
        "minutes": minutes,
        "views": _views(results, study_dir / "ssl"),
    }
    return Section("training.html.j2", context)


def _views(results: Results, folder: Path) -> list[tuple[str, str]]:
    """Read the pictures of what the pre-trainings see: (name, data URI)."""
    pictures = [(ssl.name, data_uri(folder / ssl.name / "views.png")) for ssl in results.ssl]
    return [(display_name(name.split(JOIN)[-1]), uri) for name, uri in pictures if uri is not None]
