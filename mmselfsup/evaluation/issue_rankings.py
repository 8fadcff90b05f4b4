"""Rankings of the issues of a data set, with the names, lesions and labels of the images.

Letters: N images, D width, R entries of a ranking, I images of an entry (1 to 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mmselfsup.utils.files import csv_text

from .data_issue_files import (
    ACROSS,
    LABEL_ERRORS,
    OFF_TOPIC,
    WITHIN,
    Issue,
    IssueImage,
    Ranked,
)
from .data_issues import (
    NO_LABEL,
    Distances,
    group_numbers,
    label_error_scores,
    near_duplicates,
    nearest_distances,
    off_topic_scores,
)
from .feature_comparison import write_thumb

#: What the images of an entry are called in the columns of the CSV file.
_ROLES = {
    ACROSS: ("_1", "_2"),
    WITHIN: ("_1", "_2"),
    OFF_TOPIC: ("",),
    LABEL_ERRORS: ("", "_same", "_other"),
}
_DIGITS = 6  # of a score


@dataclass(frozen=True)
class Audited:
    """The images of an audit and their features.

    Attributes:
        features: Features [N, D], float32.
        names: Names of the images, [N].
        labels: Labels [N], -1 where there is none.
        lesions: Lesion of each image, ``''`` where it has none; None where none is known.
        classes: Names of the classes; None where they are numbers.
        folder: Folder of the images; None where they are not at hand.
        group: What images of one lesion have in common, one and several: lesion, patients.
    """

    features: NDArray[np.float32]
    names: Sequence[str]
    labels: NDArray[np.int64]
    lesions: Sequence[str] | None = None
    classes: Sequence[str] | None = None
    folder: Path | None = None
    group: tuple[str, str] = ("lesion", "lesions")

    @property
    def grouped(self) -> bool:
        """Whether a lesion is known of any image."""
        return self.lesions is not None and any(self.lesions)

    def label(self, i: int) -> str:
        """Return the name of the class of an image, ``''`` without one."""
        number = int(self.labels[i])
        if number == NO_LABEL:
            return ""
        return str(number) if self.classes is None else self.classes[number]

    def lesion(self, i: int) -> str:
        """Return the lesion of an image, ``''`` without one."""
        return "" if self.lesions is None else self.lesions[i]


@dataclass(frozen=True)
class Ranking:
    """A ranking, the most suspect entry first.

    Attributes:
        kind: Name of the ranking.
        index: Indices of the images of each entry, [R, I]; see ``Issue.images``.
        score: Score of each entry, [R].
    """

    kind: str
    index: NDArray[np.int64]
    score: NDArray[np.floating]


def rank_issues(
    audited: Audited, num_neighbours: int, device: torch.device | str = "cpu"
) -> tuple[list[Ranking], list[str]]:
    """Return the rankings of a data set, and what could not be ranked, in words.

    Args:
        audited: The images.
        num_neighbours: Number of neighbours of each image among which duplicates are sought.
        device: Device of the distances.

    Raises:
        UserError: See ``check_features``.
    """
    num = len(audited.names)
    groups = group_numbers(audited.lesions, num)
    found = nearest_distances(audited.features, audited.labels, groups, num_neighbours, device)
    rankings, notes = [_duplicates(ACROSS, found.across, found.across_index)], []
    if np.isfinite(found.within).any():
        rankings.append(_duplicates(WITHIN, found.within, found.within_index))
    else:
        reason = "No groups of images are named (--metadata)"
        if audited.grouped:
            reason = f"No {audited.group[0]} has two images"
        notes.append(f"{reason}: all duplicates are in one list.")
    print(f"off-topic images: single-linkage clustering of {num} images", flush=True)
    off_topic = off_topic_scores(audited.features)
    order = np.argsort(-off_topic, kind="stable")
    rankings.append(Ranking(OFF_TOPIC, order[:, None], off_topic[order]))
    ranked = _label_errors(found)
    reason = _no_label_errors(audited, ranked)
    if reason:
        notes.append(f"Label errors are not ranked: {reason}.")
    else:
        rankings.append(ranked)
        left = num - len(ranked.score)
        if left:
            other = f"image of another {audited.group[0]}" if audited.grouped else "other image"
            notes.append(
                f"{left} images are not in the ranking of label errors: they have no label, or "
                f"theirs has no {other}."
            )
    return rankings, notes


def _duplicates(kind: str, distance: NDArray[np.float32], index: NDArray[np.int64]) -> Ranking:
    """Return the ranking of the N nearest pairs."""
    pairs = near_duplicates(distance, index, most=len(index))
    return Ranking(kind, pairs.index, pairs.distance)


def _label_errors(found: Distances) -> Ranking:
    """Return the ranking of the images that have neighbours of their own and of another label."""
    scores = label_error_scores(found.same, found.other)
    order = np.argsort(-scores, kind="stable")  # NaN come last
    order = order[np.isfinite(scores[order])]
    index = np.stack([order, found.same_index[order], found.other_index[order]], axis=1)
    return Ranking(LABEL_ERRORS, index, scores[order])


def _no_label_errors(audited: Audited, ranked: Ranking) -> str:
    """Return why label errors can't be ranked, ``''`` where they can."""
    known = audited.labels[audited.labels != NO_LABEL]
    if not len(known):
        return "no image has a label"
    if len(np.unique(known)) == 1:
        return "all images are of one class"
    if len(ranked.score):
        return ""
    two = f"images of two {audited.group[1]}" if audited.grouped else "two images"
    return f"no class has {two}"


def ranking_table(ranking: Ranking, audited: Audited) -> str:
    """Return a ranking as CSV: rank, score, and name, lesion and label of its images."""
    roles = _ROLES[ranking.kind]
    columns = [f"{name}{role}" for role in roles for name in ("image", "lesion_id", "label")]
    rows: list[list[object]] = [["rank", "score", *columns]]
    for rank, (row, score) in enumerate(zip(ranking.index, ranking.score, strict=True), 1):
        images = [(audited.names[i], audited.lesion(i), audited.label(i)) for i in row.tolist()]
        rows.append([rank, f"{score:.{_DIGITS}f}", *(cell for image in images for cell in image)])
    return csv_text(rows)


def first_issues(ranking: Ranking, audited: Audited, num: int, thumbs: Path) -> Ranked:
    """Return the first entries of a ranking, and write the thumbnails of their images.

    Args:
        ranking: The ranking.
        audited: The images.
        num: Largest number of entries.
        thumbs: Folder of the thumbnails.

    Raises:
        UserError: An image can't be read.
    """
    shown = [
        Issue(round(float(score), _DIGITS), [_image(audited, i, thumbs) for i in row])
        for row, score in zip(ranking.index[:num].tolist(), ranking.score[:num], strict=True)
    ]
    return Ranked(ranking.kind, len(ranking.score), shown)


def _image(audited: Audited, i: int, thumbs: Path) -> IssueImage:
    """Return an image as the page shows it; write its thumbnail."""
    thumb = None
    if audited.folder is not None:
        thumb = f"{i}.webp"  # by index, as names may contain folders
        write_thumb(audited.folder / audited.names[i], thumbs / thumb)
    return IssueImage(audited.names[i], audited.lesion(i), audited.label(i), thumb)
