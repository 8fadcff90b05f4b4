"""Files of an audit of a data set: rankings as CSV, and what its page shows.

``<kind>.csv``: one ranking, all entries. ``issues.json``: a ``DataIssues``. ``thumbs/``: the
thumbnails that it names.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write_json
from mmselfsup.utils.json_records import from_json

ISSUES, THUMBS, PAGE = "issues.json", "thumbs", "issues.html"
ACROSS, WITHIN = "duplicates_across_lesions", "duplicates_within_lesions"
OFF_TOPIC, LABEL_ERRORS = "off_topic", "label_errors"
KINDS = (ACROSS, WITHIN, OFF_TOPIC, LABEL_ERRORS)


@dataclass(frozen=True)
class IssueImage:
    """An image of an issue.

    Attributes:
        image: Name of the image.
        lesion: Its lesion, ``''`` where none is known.
        label: Name of its class, ``''`` without a label.
        thumb: File name of the thumbnail; None where images are not at hand.
    """

    image: str
    lesion: str
    label: str
    thumb: str | None


@dataclass(frozen=True)
class Issue:
    """One entry of a ranking.

    Attributes:
        score: Cosine distance of duplicates, otherwise the higher the more suspect.
        images: The image or images: both duplicates; or the image whose label is suspect, its
            nearest one of the same label, and its nearest one of another label.
    """

    score: float
    images: list[IssueImage]


@dataclass(frozen=True)
class Ranked:
    """The first entries of a ranking.

    Attributes:
        kind: Name of the ranking and of its CSV file.
        num: Number of entries of the whole ranking.
        shown: Its first entries.
    """

    kind: str
    num: int
    shown: list[Issue]


@dataclass(frozen=True)
class Measured:
    """How many planted issues a ranking finds.

    Attributes:
        ranking: Name of the ranking.
        num_planted: Number of planted issues.
        top: Number of entries that are looked at.
        part: ``top`` as a fraction of the images.
        found: Planted issues among these.
        recall: ``found / num_planted``, 0..1.
        average_precision: Average precision of the ranking, 0..1.
    """

    ranking: str
    num_planted: int
    top: int
    part: float
    found: int
    recall: float
    average_precision: float


@dataclass(frozen=True)
class DataIssues:
    """Result of an audit.

    Attributes:
        source: Where the features come from.
        num_images: Number of images.
        num_labelled: Number of images with a label.
        num_classes: Number of classes among the labels.
        num_lesions: Number of lesions with an id; None where ids are not known.
        width: Width of the features.
        neighbours: Number of neighbours that duplicates are sought among.
        notes: What was left out, in words.
        rankings: The rankings.
        measured: Planted issues found; empty without planted ones.
        group, groups: What images of one lesion have in common, one and several.
    """

    source: str
    num_images: int
    num_labelled: int
    num_classes: int
    num_lesions: int | None
    width: int
    neighbours: int
    notes: list[str]
    rankings: list[Ranked]
    measured: list[Measured] = field(default_factory=list)
    group: str = "lesion"
    groups: str = "lesions"


def write_issues(folder: Path, issues: DataIssues) -> None:
    """Write ``issues.json``, completely or not at all."""
    atomic_write_json(folder / ISSUES, asdict(issues))


def read_issues(folder: Path) -> DataIssues:
    """Return what ``write_issues`` wrote.

    Raises:
        UserError: The file is missing or damaged.
    """
    try:
        return from_json(DataIssues, json.loads((folder / ISSUES).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise UserError(f"{folder / ISSUES}: can't read this audit ({error})") from error
