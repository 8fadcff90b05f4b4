"""Section of the report on how the trainings went.

Learning curves from the logs, how the pre-trainings moved the features of their start weights, the
learning rates tried, and the augmented views that the pre-trainings see, a picture that each of
them left in its folder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from mmselfsup.utils.json_log import MONITOR_SCORES, Curve, read_log

from ..records import Results
from ..starts import split_arm
from .figures import learning_curves
from .html import Section, arm_colors, data_uri
from .tables import arm_titles, by_arm, display_name, minutes, number, run_label


def training_section(study_dir: Path, results: Results) -> Section:
    """Return the section of the trainings; curves and pictures of missing files are left out."""
    colors = arm_colors(results.runs)
    labels, title = {run.arm: run_label(run) for run in results.runs}, arm_titles(results.runs)
    context = {
        "curves": learning_curves(results, colors, study_dir),
        "moved": moved_scores(results, study_dir / "ssl"),
        "search": by_arm(results.lr_search),
        "arm_label": lambda arm: labels.get(arm) or title(arm),
        "number": number,
        "minutes": minutes,
        "views": _views(results, study_dir / "ssl"),
    }
    return Section("training.html.j2", context)


def _views(results: Results, folder: Path) -> list[tuple[str, str]]:
    """Read the pictures of what the pre-trainings see: (name, data URI)."""
    pictures = [(ssl.name, data_uri(folder / ssl.name / "views.png")) for ssl in results.ssl]
    titles = [_last_task(ssl.name) for ssl in results.ssl]
    # Two arms may end with the same task, after others.
    return [
        (display_name(name) if titles.count(_last_task(name)) > 1 else _last_task(name), uri)
        for name, uri in pictures
        if uri is not None
    ]


def _last_task(name: str) -> str:
    """Return the title of the last task of a pre-training; with its start where that is a file."""
    return display_name(name if split_arm(name).start else split_arm(name).tasks[-1])


@dataclass(frozen=True)
class Moved:
    """How a pre-training moved a score of the monitor.

    Attributes:
        name: The pre-training.
        score: What was measured.
        start: Balanced accuracy of the start weights, epoch 0.
        end: That of the last measurement.
        best: The best of all.
        best_epoch: The epoch of the best one.
    """

    name: str
    score: str
    start: float
    end: float
    best: float
    best_epoch: int

    @property
    def change(self) -> float:
        """The end minus the start."""
        return self.end - self.start


def moved_scores(results: Results, folder: Path) -> list[Moved]:
    """Return a row for each pre-training and score that was measured at epoch 0 and later."""
    rows, title = [], arm_titles(results.runs)
    for ssl in results.ssl:
        log = read_log(folder / ssl.name)
        for key, name in MONITOR_SCORES.items():
            row = _moved(title(ssl.name), name, log.val_curve(key))
            rows += [] if row is None else [row]
    return rows


def _moved(name: str, score: str, curve: Curve) -> Moved | None:
    points = [(epoch, value) for epoch, value in curve if math.isfinite(value)]
    if len(points) < 2 or points[0][0] != 0:
        return None
    epoch, best = max(points, key=lambda point: point[1])
    return Moved(name, score, points[0][1], points[-1][1], best, round(epoch))
