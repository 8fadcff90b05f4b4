"""Section of the report that shows features before and after each pre-training.

Maps of the test images by class and by source, the scores of a k-NN classifier, and the nearest
training images of some test images, as the feature comparisons of the study left them. The maps
are drawn here, not by matplotlib, which would write about a hundred bytes for a point instead of
eight: a path for each kind, its dots lines of length zero.

Letters: N points.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmselfsup.evaluation.feature_comparison_files import (
    SIDES,
    THUMBS,
    Embedding,
    FeatureComparison,
    Query,
    ShownImage,
    read_comparison,
)

from ..records import Results, SslRecord
from ..settings import ALL, look_dir
from ..starts import split_arm
from .html import Section, data_uri
from .tables import mark_labels, number
from .words import words

Maps = list[tuple[str, str]]  # what it shows, SVG
_HALF, _MARGIN = 480, 20  # of a drawing 1000 wide


@dataclass(frozen=True)
class Picture:
    """An image of the report: its class, its thumbnail, whether the class is the query's."""

    name: str
    uri: str | None
    right: bool


@dataclass(frozen=True)
class ShownComparison:
    """The feature comparison of one pre-training, as the report shows it.

    Attributes:
        title: Name of the pre-training.
        saw_test: Whether the pre-training used the test images.
        without_labels: Whether it is known to have read no labels.
        start: Name of the file of weights that it began with; empty: random weights.
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
    without_labels: bool
    start: str
    comparison: FeatureComparison
    classes: list[tuple[int, str, int]]
    sources: list[tuple[int, str, int]]
    by_class: Maps
    by_source: Maps
    rows: list[tuple[Picture, dict[str, list[Picture]]]]


def features_section(study_dir: Path, results: Results) -> Section | None:
    """Return the section of the feature comparisons; None where a study has none so far.

    Raises:
        UserError: The files of one are damaged.
    """
    comparisons = list(_shown_comparisons(study_dir, results.ssl))
    if not comparisons:
        return None
    context = {"comparisons": comparisons, "number": number, "names_data": names_data}
    return Section("features.html.j2", context, "features.css")


def names_data(source: str) -> bool:
    """Return whether a source is the data set itself: groups of own data begin with its name.

    Numbers and signs do not count, as ``source_of`` cuts numbers, and names of folders have ``-``.
    """
    first, second = (re.sub(r"[\W\d_]", "", name.lower()) for name in (source, words().name))
    return first == second


def _shown_comparisons(study_dir: Path, ssl: Sequence[SslRecord]) -> Iterator[ShownComparison]:
    """Yield the comparison of each pre-training that has one."""
    for record in ssl:
        folder = look_dir(study_dir, record.name)
        files = read_comparison(folder)
        if files is not None:
            yield _shown_comparison(record, *files, folder / THUMBS)


def _shown_comparison(
    record: SslRecord, comparison: FeatureComparison, embedding: Embedding, thumbs: Path
) -> ShownComparison:
    """Return a comparison with its maps and pictures."""
    title = mark_labels(record.name, bool(record.labels))
    labels = [int(label) for label in embedding.labels]
    unique = {str(source) for source in embedding.sources}
    names = sorted(unique, key=lambda s: (s == "none", s))  # "none" comes last
    kinds = [names.index(str(source)) for source in embedding.sources]
    return ShownComparison(
        title=title,
        saw_test=record.images_of == ALL,
        without_labels=record.labels is False,
        start=split_arm(record.name).start,
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


def scatter(
    places: NDArray[np.float32], kinds: Sequence[int], num_kinds: int, description: str
) -> str:
    """Return a drawing of points, each in the colour of its kind, the rarest kinds on top.

    Args:
        places: [N, 2], coordinates of the points, -1..1.
        kinds: Kind of each point, 0 to ``num_kinds`` - 1.
        num_kinds: Number of kinds; kind i gets the CSS class ``kind-i``, coloured by the page.
        description: Text for screen readers.

    Returns:
        An SVG element without ids, so that a page may hold several.
    """
    middle = _HALF + _MARGIN
    across = np.rint(middle + _HALF * places[:, 0]).astype(int)
    down = np.rint(middle - _HALF * places[:, 1]).astype(int)
    members = np.asarray(kinds)
    paths = []
    # SVG paints in order: frequent kinds first, so that they don't cover the rare ones.
    for kind in np.argsort(-np.bincount(members, minlength=num_kinds), kind="stable"):
        own = np.flatnonzero(members == kind)
        if len(own):
            dots = "".join(f"M{across[i]} {down[i]}h0" for i in own)
            paths.append(f'<path class="kind-{kind}" d="{dots}"/>')
    label = description.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    side = 2 * middle
    return (
        f'<svg class="map" viewBox="0 0 {side} {side}" role="img" aria-label="{label}">'
        f'<rect x="1" y="1" width="{side - 2}" height="{side - 2}"/>{"".join(paths)}</svg>'
    )
