"""Measure files of scores again, and compare two of them. Letters: N images."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmselfsup.datasets.data_sources.lesions import read_lesions
from mmselfsup.datasets.evaluation import head_numbers, lesion_keys
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.metrics import compare_runs, with_unknown
from mmselfsup.utils.score_files import ScoreFile


def lesions_of(scores: ScoreFile, metadata: str | None = None) -> list[str] | None:
    """The lesion of each image, from the file of scores or from a CSV of metadata.

    Raises:
        UserError: there is a CSV, but the images have no names.
    """
    if metadata is None:
        return scores.lesions
    if scores.images is None:
        raise UserError(f"{scores.path} doesn't name its images: write it again with test.py")
    return read_lesions(metadata, scores.images)


def measure(
    scores: ScoreFile,
    lesions: Sequence[str] | None = None,
    unk_threshold: float | None = None,
    bootstrap: int = 1000,
) -> dict[str, float]:
    """All numbers of a file; see ``mmselfsup.datasets.evaluation.head_numbers``."""
    labels = labels_of(scores)
    return head_numbers(scores.scores, labels, scores.classes, lesions, unk_threshold, bootstrap)


def compare(
    first: ScoreFile,
    second: ScoreFile,
    lesions: Sequence[str] | None = None,
    unk_threshold: float | None = None,
    bootstrap: int = 1000,
) -> dict[str, dict[str, float]]:
    """Second minus first, with intervals and p-values; see ``compare_runs``.

    Raises:
        UserError: the two are not about the same images.
    """
    labels = labels_of(first)
    same = np.array_equal(labels, labels_of(second)) and (
        None in (first.images, second.images) or first.images == second.images
    )
    if not same:
        raise UserError(f"{first.path} and {second.path} are not about the same images in order")
    before, after = (with_unknown(f.scores, f.classes, unk_threshold)[0] for f in (first, second))
    if before.shape != after.shape:
        raise UserError(
            f"{first.path} has {before.shape[1]} classes, {second.path} {after.shape[1]}"
        )
    return compare_runs(before, after, labels, lesion_keys(lesions), bootstrap)


def comparison_lines(found: Mapping[str, Mapping[str, float]]) -> list[str]:
    """A line for each metric of a comparison."""
    lines = []
    for name, row in found.items():
        p_value = row.get("p_value")
        p = "" if p_value is None else f"  p = {p_value:.4f}"
        interval = f"95 %: {row['low']:+.4f} to {row['high']:+.4f}"
        lines.append(f"{name:<24} {row['difference']:+9.4f}  {interval}{p}")
    return lines


def labels_of(scores: ScoreFile) -> Any:
    """The labels, one for each image.

    Raises:
        UserError: an image has none.
    """
    if scores.labels is None or np.ndim(scores.labels) != 1 or (scores.labels < 0).any():
        raise UserError(f"{scores.path} has images without a label: nothing to measure")
    return scores.labels
