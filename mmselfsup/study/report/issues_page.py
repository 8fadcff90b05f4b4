"""The page of an audit of a data set: the first entries of each ranking, with pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmselfsup.evaluation.data_issue_files import (
    ACROSS,
    LABEL_ERRORS,
    OFF_TOPIC,
    PAGE,
    THUMBS,
    WITHIN,
    Issue,
    IssueImage,
    Ranked,
    read_issues,
)
from mmselfsup.utils.files import atomic_write_text
from mmselfsup.version import __version__

from .html import data_uri, render

_TITLES = {
    ACROSS: "Near-duplicates across {groups}",
    WITHIN: "Near-duplicates within {groups}",
    OFF_TOPIC: "Off-topic images",
    LABEL_ERRORS: "Likely label errors",
}
_TEXTS = {
    ACROSS: (
        "Pairs of different {groups}, or of images without a {group}, by cosine distance. The same "
        "image on both sides of a split makes a test too easy; two labels for it can't both be "
        "right."
    ),
    WITHIN: (
        "Pairs of one {group}. They are in one fold anyway, but count several times in training."
    ),
    OFF_TOPIC: (
        "Images that single-linkage clustering joins with the others last, alone or in a small "
        "cluster: the mean distance at which they are joined."
    ),
    LABEL_ERRORS: (
        "Images nearer to another class than to their own. Above 0.5, the nearest image of another "
        "class (right) is nearer than that of the own class (middle); images of the same {group} "
        "are no evidence. Rare classes and border cases come early, too."
    ),
}
# Where no groups are known.
_TITLES_ALONE = {**_TITLES, ACROSS: "Near-duplicates"}
_TEXTS_ALONE = {
    **_TEXTS,
    ACROSS: _TEXTS[ACROSS].replace("different {groups}, or of images without a {group}", "images"),
    LABEL_ERRORS: _TEXTS[LABEL_ERRORS].replace("; images of the same {group} are no evidence", ""),
}


@dataclass(frozen=True)
class ShownPicture:
    """An image of an entry with its thumbnail as a data URI, None where there is none."""

    image: IssueImage
    uri: str | None


@dataclass(frozen=True)
class ShownIssue:
    """An entry of a ranking, as the page shows it."""

    rank: int
    score: str
    pictures: list[ShownPicture]
    conflict: bool


def write_issues_page(folder: Path) -> Path:
    """Build ``issues.html`` from ``issues.json`` and the thumbnails of an audit.

    Args:
        folder: Folder of the audit.

    Returns:
        The path of the page.

    Raises:
        UserError: There is no audit, or the page can't be written.
    """
    issues = read_issues(folder)
    alone = not issues.num_lesions
    titles, texts = (_TITLES_ALONE, _TEXTS_ALONE) if alone else (_TITLES, _TEXTS)
    said = {"group": issues.group, "groups": issues.groups}
    sections = [
        {
            "title": titles[ranked.kind].format(**said),
            "text": texts[ranked.kind].format(**said),
            "ranked": ranked,
            "images": len(ranked.shown[0].images) if ranked.shown else 1,
            "shown": _shown(ranked, folder / THUMBS),
        }
        for ranked in issues.rankings
    ]
    context = {"issues": issues, "sections": sections, "version": __version__}
    path = folder / PAGE
    atomic_write_text(path, render("issues.html.j2", context))
    return path


def _shown(ranked: Ranked, thumbs: Path) -> list[ShownIssue]:
    """Return the entries of a ranking with their pictures."""
    return [
        ShownIssue(
            rank,
            f"{issue.score:.4f}",
            [ShownPicture(i, i.thumb and data_uri(thumbs / i.thumb)) for i in issue.images],
            ranked.kind in (ACROSS, WITHIN) and _in_conflict(issue),
        )
        for rank, issue in enumerate(ranked.shown, 1)
    ]


def _in_conflict(issue: Issue) -> bool:
    """Return whether the images have different labels."""
    return len({image.label for image in issue.images} - {""}) > 1
