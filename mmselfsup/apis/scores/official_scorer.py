"""Our numbers beside those of the challenge's own scorer, ``isic-challenge-scoring``.

It is a program of its own, as it needs a pandas below 3: any environment that has it will do, if
its ``bin`` is in PATH.

Letters: N images, C classes.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from mmselfsup.evaluation.scores import ScoreFile
from mmselfsup.metrics import classification_metrics, probabilities
from mmselfsup.metrics.classification import detailed_metrics
from mmselfsup.utils.errors import UserError, one_line
from mmselfsup.utils.files import atomic_write_text, csv_text

from .measure import labels_of

#: The program's name.
PROGRAM = "isic-challenge-scoring"
_SECONDS = 600
_DIGITS = 9


def official_scores(scores: ScoreFile) -> dict[str, tuple[float, float]]:
    """Return metrics that the challenge's scorer has too: ours, and the scorer's.

    Args:
        scores: The scores of C classes with names, for N images with names and labels.

    Returns:
        Balanced accuracy, macro AUC, and the AUC of each class that has images.

    Raises:
        UserError: The scorer is not installed or fails, or names are missing.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise UserError(
            f"--official needs the program {PROGRAM} in PATH: pipx install {PROGRAM} (it needs "
            "pandas below 3: pipx inject it)"
        )
    if scores.images is None or scores.classes is None:
        raise UserError(f"{scores.path} doesn't name images and classes: write it with test.py")
    with tempfile.TemporaryDirectory() as folder:
        truth, predicted = _write(scores, Path(folder))
        found = _score(program, truth, predicted)
    labels = labels_of(scores)
    ours = classification_metrics(scores.scores, labels, scores.classes)
    ours |= detailed_metrics(scores.scores, labels, scores.classes)
    keys = {"balanced_accuracy": "balanced_accuracy", "macro_auc": "macro_auc"}
    keys |= {f"auc/{name}": f"per_class/{name}/auc" for name in scores.classes}
    return {
        name: (float(ours[key]), found[name])
        for name, key in keys.items()
        if name in found and np.isfinite(ours[key])
    }


def comparison_lines(found: dict[str, tuple[float, float]]) -> list[str]:
    """Return a line for each metric of ``official_scores``, with a heading."""
    lines = [f"{'':<24} {'ours':>9} {'official':>9}"]
    return [
        *lines,
        *(f"{name:<24} {own:9.4f} {other:9.4f}" for name, (own, other) in found.items()),
    ]


def _write(scores: ScoreFile, folder: Path) -> tuple[Path, Path]:
    """Write labels and probabilities as the challenge's CSV files; return their paths."""
    images = [Path(name).stem for name in scores.images or []]
    header = ["image", *(scores.classes or [])]
    one_hot = np.eye(len(header) - 1)[labels_of(scores)]  # [N, C]
    probs = probabilities(scores.scores)
    for name, table in (("truth", one_hot), ("predicted", probs)):
        rows = [
            [image, *(f"{value:.{_DIGITS}f}" for value in row)]
            for image, row in zip(images, table, strict=True)
        ]
        atomic_write_text(folder / f"{name}.csv", csv_text([header, *rows]))
    return folder / "truth.csv", folder / "predicted.csv"


def _score(program: str, truth: Path, predicted: Path) -> dict[str, float]:
    """Return the metrics that the scorer prints.

    Raises:
        UserError: It fails.
    """
    command = [program, "classification", str(truth), str(predicted)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError(f"{program}: {one_line(error)}") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"{program} failed: {last}")
    return read_report(done.stdout)


def read_report(text: str) -> dict[str, float]:
    """Return the metrics in a report of the scorer.

    Args:
        text: What it printed: a table with a row for each class, then names and values.
    """
    found: dict[str, float] = {}
    per_class, _, rest = text.partition("Macro averaged metrics:")
    header, *rows = per_class.partition("Per-category metrics:")[2].strip().splitlines() or [""]
    columns = header.split()
    for row in rows:
        name, *cells = row.split()
        if len(cells) == len(columns) and "auc" in columns:
            found[f"auc/{name}"] = float(cells[columns.index("auc")])
    values = dict(re.findall(r"^(\w+) +([\d.]+|nan)$", rest, re.MULTILINE))
    for own, name in (("balanced_accuracy", "balanced_accuracy"), ("macro_auc", "auc")):
        if name in values:
            found[own] = float(values[name])
    return found
