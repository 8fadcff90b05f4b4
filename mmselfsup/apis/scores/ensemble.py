"""The ensemble of several models, from their score files: the steps of ``ensemble.py``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmselfsup.evaluation.scores import ScoreFile
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.plurals import counted

from ..test import TestResult, check_out, metric_lines, write_result
from .measure import check_bootstrap, lesions_of, measure

#: The metrics that are printed for each member.
_SHOWN = ("balanced_accuracy", "macro_auc")


def measure_ensemble(
    files: Sequence[ScoreFile],
    joined: ScoreFile,
    metadata: str | None = None,
    unk_threshold: float | None = None,
    bootstrap: int = 1000,
) -> dict[str, float]:
    """Print two metrics of each member and all metrics of the ensemble, if every image has a label.

    Args:
        files: The members.
        joined: The ensemble.
        metadata: The CSV of the lesions, see ``lesions_of``.
        unk_threshold: Images whose highest probability is below it count as ``UNK``.
        bootstrap: Number of resamples for the ensemble's 95 % intervals.

    Returns:
        The metrics of the ensemble, see ``measure``; empty without labels.

    Raises:
        UserError: See ``measure``.
    """
    if joined.labels is None or (joined.labels < 0).any():
        print(f"{counted(len(joined.scores), 'image')}, not all with a label: no metrics")
        return {}
    for file in files:
        if file.labels is not None:
            own = measure(file, None, unk_threshold, 0)
            shown = "  ".join(f"{name} {own[name]:.4f}" for name in _SHOWN if name in own)
            print(f"{file.path}: {shown}")
    metrics = measure(joined, lesions_of(joined, metadata), unk_threshold, bootstrap)
    print(
        f"ensemble of {len(files)}, {counted(len(joined.scores), 'image')}",
        *metric_lines(metrics),
        sep="\n",
    )
    return metrics


def write_ensemble(
    joined: ScoreFile, metrics: Mapping[str, float], path: str, facts: Mapping[str, Any]
) -> None:
    """Write the scores of an ensemble as ``tools/test.py`` writes those of one model.

    Args:
        joined: The ensemble.
        metrics: Its metrics.
        path: A ``.npz``, ``.json`` or ``.csv`` file, see ``write_result``.
        facts: Further entries of the JSON file on its origin.
    """
    result = TestResult(
        {"mean": joined.scores}, joined.labels, metrics,
        joined.classes, joined.images, joined.lesions,
    )  # fmt: skip
    write_result(result, path, {**facts, "num_samples": len(joined.scores)})


def check_ensemble_options(bootstrap: int, out: str | None, submission: str | None) -> None:
    """Check the options of ``tools/isic2019/ensemble.py`` before the work is done.

    Args:
        bootstrap: Number of resamples; 0 omits the intervals.
        out: ``.npz``, ``.json`` or ``.csv`` for the scores.
        submission: The file for the challenge's CSV.

    Raises:
        UserError: An option can't be used.
    """
    check_bootstrap(bootstrap)
    if out is not None:
        check_out(out)
    if submission is not None and Path(submission).is_dir():
        raise UserError(f"--submission {submission} is a folder: name a file")
