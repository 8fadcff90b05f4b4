"""Metrics of a score file, and the comparison of two: the steps of ``measure_scores.py``.

Letters: N images.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmselfsup.datasets.data_sources.metadata import read_lesions
from mmselfsup.evaluation.plots import check_picture
from mmselfsup.evaluation.scores import ScoreFile
from mmselfsup.metrics import compare_runs, with_unknown
from mmselfsup.metrics.heads import head_numbers, lesion_keys
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import check_ending, check_writable

from ..test import OVER_CLASSES, few_remark


def measure(
    scores: ScoreFile,
    lesions: Sequence[str] | None = None,
    unk_threshold: float | None = None,
    bootstrap: int = 1000,
) -> dict[str, float]:
    """Return all metrics of a score file; see ``mmselfsup.metrics.heads.head_numbers``.

    Raises:
        UserError: An image has no label, or labels and classes don't fit the scores.
    """
    labels, options = labels_of(scores), (lesions, unk_threshold, bootstrap)
    try:
        return head_numbers(scores.scores, labels, scores.classes, *options)
    except ValueError as error:
        raise UserError(f"{scores.path}: {error}") from error


def labels_of(scores: ScoreFile) -> Any:
    """Return the labels, one for each image.

    Raises:
        UserError: An image has no label.
    """
    if scores.labels is None or np.ndim(scores.labels) != 1 or (scores.labels < 0).any():
        raise UserError(f"{scores.path} has images without a label: nothing to measure")
    return scores.labels


def lesions_of(scores: ScoreFile, metadata: str | None = None) -> list[str] | None:
    """Return the lesion of each image, from the score file or from a CSV of metadata.

    Raises:
        UserError: There is a CSV, but the images have no names.
    """
    if metadata is None:
        return scores.lesions
    if scores.images is None:
        raise UserError(f"{scores.path} doesn't name its images: write it again with test.py")
    return read_lesions(metadata, scores.images)


def compare(
    first: ScoreFile,
    second: ScoreFile,
    lesions: Sequence[str] | None = None,
    unk_threshold: float | None = None,
    bootstrap: int = 1000,
) -> dict[str, dict[str, float]]:
    """Return the metrics of the second minus the first, with intervals and p-values.

    See ``compare_runs``.

    Raises:
        UserError: The two have different images or classes.
    """
    check_same_images(first, second)
    labels = labels_of(first)
    before, after = (with_unknown(f.scores, f.classes, unk_threshold)[0] for f in (first, second))
    if before.shape != after.shape:
        raise UserError(
            f"{first.path} has {before.shape[1]} classes, {second.path} {after.shape[1]}"
        )
    return compare_runs(before, after, labels, lesion_keys(lesions), bootstrap)


def check_same_images(first: ScoreFile, second: ScoreFile) -> None:
    """Check that two files can be compared.

    Raises:
        UserError: They have different images or classes, or another order of them.
    """
    if None not in (first.classes, second.classes) and first.classes != second.classes:
        shown = (", ".join(file.classes or ()) for file in (first, second))
        raise UserError(
            f"{first.path} and {second.path} have different classes, or another order of them "
            f"({'; '.join(shown)}): test both models with the same classes"
        )
    # Two files of which one has no names are compared by their labels alone.
    same = np.array_equal(labels_of(first), labels_of(second)) and (
        None in (first.images, second.images) or first.images == second.images
    )
    if not same:
        raise UserError(
            f"{first.path} and {second.path} are not about the same images in order: compare two "
            "tests on one list, measure others one by one"
        )


def comparison_lines(
    comparison: Mapping[str, Mapping[str, float]], numbers: Mapping[str, float]
) -> list[str]:
    """Return a line for each metric of a comparison.

    Args:
        comparison: See ``compare``.
        numbers: The metrics of one of the two, see ``measure``: of too few groups a mark is made.
    """
    few = few_remark(numbers.get("interval/fewest_lesions"), numbers.get("interval/by_lesion") == 0)
    lines = []
    for name, row in comparison.items():
        p_value = row.get("p_value")
        p = "" if p_value is None else f"  p = {p_value:.4f}"
        interval = f"95 %: {row['low']:+.4f} to {row['high']:+.4f}"
        mark = few if name in OVER_CLASSES else ""
        lines.append(f"{name:<24} {row['difference']:+9.4f}  {interval}{p}{mark}")
    return lines


def check_measure_options(bootstrap: int, out: str | None, pictures: Sequence[str | None]) -> None:
    """Check the options of ``tools/analysis_tools/measure_scores.py`` before the work is done.

    Args:
        bootstrap: Number of resamples; 0 omits the intervals.
        out: The file for the metrics.
        pictures: The files to draw, ``.png`` or ``.jpg``.

    Raises:
        UserError: An option can't be used.
    """
    check_bootstrap(bootstrap)
    for path in pictures:
        if path is not None:
            check_picture(path)
    if out is not None:
        if Path(out).is_dir():
            raise UserError(f"{out} is a folder: name a file")
        check_ending("--out", out, ".json")
        check_writable(out)


def check_bootstrap(bootstrap: int) -> None:
    """Check the number of resamples that a command line names.

    Raises:
        UserError: It is negative.
    """
    if bootstrap < 0:
        raise UserError(f"--bootstrap {bootstrap}: give a number of resamples, 0 or more")
