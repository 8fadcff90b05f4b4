"""What a look leaves in its folder: numbers for machines, and small pictures.

`points.npz`: `names` [N], `labels` [N], `sources` [N] (empty where not known), `before` and `after`
[N, 2], the places on the maps. `looks.json`: a `Look`. `thumbs/`: the pictures that it names.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmselfsup.utils.atomic import atomic_write, atomic_write_json
from mmselfsup.utils.errors import UserError

POINTS, LOOK, THUMBS = "points.npz", "looks.json", "thumbs"
SIDES = ("before", "after")


@dataclass(frozen=True)
class Shown:
    """An image of the page.

    Attributes:
        image: Its name in the list.
        label: Its class.
        thumb: Name of its small picture.
    """

    image: str
    label: int
    thumb: str


@dataclass(frozen=True)
class Neighbour(Shown):
    """A training image beside a query.

    Attributes:
        cosine: Of its features with the query's, -1..1.
    """

    cosine: float


@dataclass(frozen=True)
class Query(Shown):
    """A test image and its nearest training images.

    Attributes:
        before: Neighbours in the random network, nearest first.
        after: Neighbours in the pre-trained network.
    """

    before: list[Neighbour]
    after: list[Neighbour]


@dataclass(frozen=True)
class Votes:
    """How well the nearest training images tell the class and the source.

    Attributes:
        by_class: Balanced accuracy, 0..1.
        by_source: The same for the source; None where lesions aren't known or all are of one.
    """

    by_class: float
    by_source: float | None


@dataclass(frozen=True)
class Look:
    """What was seen.

    Attributes:
        classes: Names of the classes.
        num_train: Training images, all of the list.
        num_test: Test images looked at.
        all_test: Test images in the list.
        seed: Of the random network, the draws and the maps.
        voters: Neighbours that vote for a class or a source.
        votes: What came of the votes, `before` and `after`.
        shared_lesions: Lesions with images in both lists; None where lesions aren't known.
        queries: Queries and their neighbours.
    """

    classes: list[str]
    num_train: int
    num_test: int
    all_test: int
    seed: int
    voters: int
    votes: dict[str, Votes]
    shared_lesions: int | None
    queries: list[Query]


@dataclass(frozen=True)
class Points:
    """The places of N test images; see the top of this file."""

    names: NDArray[np.str_]
    labels: NDArray[np.int64]
    sources: NDArray[np.str_]
    before: NDArray[np.float32]
    after: NDArray[np.float32]


def write_look(folder: Path, look: Look, points: Points) -> None:
    """Write both files, that with the neighbours last."""
    with atomic_write(folder / POINTS) as file:
        np.savez(file, **vars(points))
    atomic_write_json(folder / LOOK, asdict(look))


def read_look(folder: Path) -> tuple[Look, Points] | None:
    """Read what `write_look` wrote; None where there is nothing.

    Raises:
        UserError: The files are damaged.
    """
    if not (folder / LOOK).exists():
        return None
    try:
        data: dict[str, Any] = json.loads((folder / LOOK).read_text(encoding="utf-8"))
        for query in data["queries"]:
            for side in SIDES:
                query[side] = [Neighbour(**neighbour) for neighbour in query[side]]
        data["votes"] = {side: Votes(**votes) for side, votes in data["votes"].items()}
        data["queries"] = [Query(**query) for query in data["queries"]]
        with np.load(folder / POINTS, allow_pickle=False) as arrays:
            return Look(**data), Points(**arrays)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{folder}: can't read this look ({error}); delete the folder") from error
