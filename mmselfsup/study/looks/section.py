"""What the report shows of the looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data_uri import data_uri
from ..record import SslRecord
from ..settings import ALL
from ..verdict import display_name
from .files import SIDES, THUMBS, Look, Points, Query, Shown, read_look
from .scatter import scatter
from .stage import look_dir

Maps = list[tuple[str, str]]  # what it shows, SVG


@dataclass(frozen=True)
class Picture:
    """An image of the page: its class, its small picture, whether the class is the query's."""

    name: str
    uri: str | None
    right: bool


@dataclass(frozen=True)
class Section:
    """The look at one pre-training.

    Attributes:
        title: Name of the pre-training.
        saw_test: Whether it saw the test images.
        look: The numbers.
        classes: Names of the classes among the points, with the number of points.
        sources: The same of the sources; empty where lesions aren't known.
        by_class: Maps coloured by class.
        by_source: Maps coloured by source; empty where there are less than two.
        rows: For each query its picture, and its neighbours by side.
    """

    title: str
    saw_test: bool
    look: Look
    classes: list[tuple[int, str, int]]
    sources: list[tuple[int, str, int]]
    by_class: Maps
    by_source: Maps
    rows: list[tuple[Picture, dict[str, list[Picture]]]]


def look_sections(work_dir: Path, ssl: Sequence[SslRecord]) -> list[Section]:
    """Read the looks of a study that are there.

    Raises:
        UserError: The files of one are damaged.
    """
    sections = []
    for record in ssl:
        folder = look_dir(work_dir, record.name)
        found = read_look(folder)
        if found is not None:
            sections.append(_section(record, *found, folder / THUMBS))
    return sections


def _section(record: SslRecord, look: Look, points: Points, thumbs: Path) -> Section:
    """Draw the maps and gather the pictures."""
    title = display_name(record.name)
    labels = [int(label) for label in points.labels]
    names = sorted({str(source) for source in points.sources}, key=lambda s: (s == "none", s))
    kinds = [names.index(str(source)) for source in points.sources]
    return Section(
        title=title,
        saw_test=record.images_of == ALL,
        look=look,
        classes=_counts(look.classes, labels),
        sources=_counts(names, kinds),
        by_class=_maps(points, labels, len(look.classes), f"{title}: test images by class"),
        by_source=(
            _maps(points, kinds, len(names), f"{title}: test images by source")
            if len(names) > 1
            else []
        ),
        rows=[
            (
                _picture(query, query, look, thumbs),
                {
                    side: [_picture(n, query, look, thumbs) for n in getattr(query, side)]
                    for side in SIDES
                },
            )
            for query in look.queries
        ],
    )


def _counts(names: Sequence[str], kinds: Sequence[int]) -> list[tuple[int, str, int]]:
    """Number, name and number of points of each kind that has any."""
    return [(i, name, kinds.count(i)) for i, name in enumerate(names) if i in kinds]


def _maps(points: Points, kinds: Sequence[int], num_kinds: int, description: str) -> Maps:
    """Draw both sides; nothing without kinds."""
    if not kinds:
        return []
    return [
        (side, scatter(getattr(points, side), kinds, num_kinds, f"{description}, {side}"))
        for side in SIDES
    ]


def _picture(image: Shown, query: Query, look: Look, thumbs: Path) -> Picture:
    """Make a query or a neighbour ready for the page."""
    uri = data_uri(thumbs / image.thumb)
    return Picture(look.classes[image.label], uri, image.label == query.label)
