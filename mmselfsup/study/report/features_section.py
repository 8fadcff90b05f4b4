"""Section of the report that shows the feature comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmselfsup.evaluation.feature_comparison_files import (
    SIDES,
    THUMBS,
    Embedding,
    FeatureComparison,
    Query,
    ShownImage,
    read_comparison,
)

from ..data_uri import data_uri
from ..record import SslRecord
from ..settings import ALL
from ..verdict import display_name
from .scatter import scatter
from .stage import look_dir

Maps = list[tuple[str, str]]  # what it shows, SVG


@dataclass(frozen=True)
class Picture:
    """An image of the report: its class, its thumbnail, whether the class is the query's."""

    name: str
    uri: str | None
    right: bool


@dataclass(frozen=True)
class Section:
    """The feature comparison of one pre-training.

    Attributes:
        title: Name of the pre-training.
        saw_test: Whether the pre-training used the test images.
        comparison: The comparison.
        classes: Number, name and number of images of each class on the maps.
        sources: Number, name and number of images of each source; empty where lesions aren't
            known.
        by_class: Maps coloured by class.
        by_source: Maps coloured by source; empty where there are fewer than two sources.
        rows: Each query with its neighbours before and after.
    """

    title: str
    saw_test: bool
    comparison: FeatureComparison
    classes: list[tuple[int, str, int]]
    sources: list[tuple[int, str, int]]
    by_class: Maps
    by_source: Maps
    rows: list[tuple[Picture, dict[str, list[Picture]]]]


def look_sections(work_dir: Path, ssl: Sequence[SslRecord]) -> list[Section]:
    """Return the feature comparisons that a study has so far.

    Raises:
        UserError: The files of one are damaged.
    """
    sections = []
    for record in ssl:
        folder = look_dir(work_dir, record.name)
        files = read_comparison(folder)
        if files is not None:
            sections.append(_section(record, *files, folder / THUMBS))
    return sections


def _section(
    record: SslRecord, comparison: FeatureComparison, embedding: Embedding, thumbs: Path
) -> Section:
    """Return the section with its maps and pictures."""
    title = display_name(record.name)
    labels = [int(label) for label in embedding.labels]
    unique = {str(source) for source in embedding.sources}
    names = sorted(unique, key=lambda s: (s == "none", s))  # "none" comes last
    kinds = [names.index(str(source)) for source in embedding.sources]
    return Section(
        title=title,
        saw_test=record.images_of == ALL,
        comparison=comparison,
        classes=_counts(comparison.classes, labels),
        sources=_counts(names, kinds),
        by_class=_maps(
            embedding, labels, len(comparison.classes), f"{title}: test images by class"
        ),
        by_source=(
            _maps(embedding, kinds, len(names), f"{title}: test images by source")
            if len(names) > 1
            else []
        ),
        rows=[
            (
                _picture(query, query, comparison, thumbs),
                {
                    side: [_picture(n, query, comparison, thumbs) for n in getattr(query, side)]
                    for side in SIDES
                },
            )
            for query in comparison.queries
        ],
    )


def _counts(names: Sequence[str], kinds: Sequence[int]) -> list[tuple[int, str, int]]:
    """Return number, name and number of points of each kind that has any."""
    return [(i, name, kinds.count(i)) for i, name in enumerate(names) if i in kinds]


def _maps(embedding: Embedding, kinds: Sequence[int], num_kinds: int, description: str) -> Maps:
    """Return the maps before and after; none without kinds."""
    if not kinds:
        return []
    return [
        (side, scatter(getattr(embedding, side), kinds, num_kinds, f"{description}, {side}"))
        for side in SIDES
    ]


def _picture(
    image: ShownImage, query: Query, comparison: FeatureComparison, thumbs: Path
) -> Picture:
    """Return a query or a neighbour as the report shows it."""
    uri = data_uri(thumbs / image.thumb)
    return Picture(comparison.classes[image.label], uri, image.label == query.label)
