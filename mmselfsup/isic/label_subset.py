"""Few labelled images of a training list, for semi-supervised fine-tuning: whole lesions."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from mmselfsup.datasets.data_sources.lists import Entry, read_list
from mmselfsup.datasets.data_sources.metadata import lesions_in
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write_text
from mmselfsup.utils.image_names import has_image_extension

from .folds import lesion_groups


def choose_lesions(
    labels: Sequence[int], groups: Sequence[str], percent: float, seed: int = 0
) -> list[bool]:
    """Return which images belong to the subset.

    Class by class, lesions are taken in an order drawn by SHA-256 until the class has ``percent``
    of its images, at least one lesion. So a larger subset contains a smaller one, and equal ids and
    seed give equal subsets on every machine. A lesion of several classes counts as its rarest, and
    as the others where these have too few lesions of their own.

    Args:
        labels: Class of each of N images.
        groups: Key of each image's lesion, see ``lesion_groups``.
        percent: Above 0, to 100.
        seed: Other seeds give other subsets.

    Raises:
        UserError: ``percent`` is out of range.
    """
    if not 0 < percent <= 100:
        raise UserError(f"percent={percent:g}: give a number above 0, to 100")
    sizes = Counter(labels)
    members: dict[str, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    # Own lesions of a class are before those that count as a rarer one.
    lesions: dict[int, list[tuple[bool, bytes, str]]] = defaultdict(list)
    for group, rows in members.items():
        rarest = min((sizes[labels[row]], labels[row]) for row in rows)[1]
        drawn_at = hashlib.sha256(f"{seed} {group}".encode()).digest()
        for label in {labels[row] for row in rows}:
            lesions[label].append((label != rarest, drawn_at, group))
    chosen = [False] * len(labels)
    for label, drawn in lesions.items():
        wanted, have = percent / 100 * sizes[label], 0
        for *_, group in sorted(drawn):
            if have and have >= wanted:
                break
            for row in members[group]:
                chosen[row] = True
                have += labels[row] == label
    return chosen


def write_subsets(
    path: str, metadata: str, percents: Sequence[float], seed: int = 0, folder: str | None = None
) -> dict[str, list[Entry]]:
    """Write ``<list>_<percent>pct.txt`` beside a training list, for each percentage.

    Args:
        path: The list, ``name label`` in each line.
        metadata: CSV with the lesion of each image; an image that isn't in it counts as a lesion.
        percents: Percentages of each class.
        seed: Other seeds give other subsets.
        folder: Where the new lists are written; None: beside the list.

    Returns:
        The images of each new list, by its path.

    Raises:
        UserError: A file can't be read, rows of one image differ, or an image has no label.
    """
    entries = read_list(path)
    labels = [e.label for e in entries if isinstance(e.label, int) and e.label >= 0]
    if len(labels) < len(entries):
        raise UserError(f"{path}: every line needs one label for a subset by class")
    names = [entry.name for entry in entries]
    lesions = [lesion or "" for lesion in lesions_in(metadata, names)]
    groups = lesion_groups([_without_extension(name) for name in names], lesions)
    written = {}
    for percent in percents:
        chosen = choose_lesions(labels, groups, percent, seed)
        rows = [entry for entry, kept in zip(entries, chosen, strict=True) if kept]
        place = Path(path).parent if folder is None else Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        output = str(place / f"{Path(path).stem}_{percent:g}pct.txt")
        atomic_write_text(output, "".join(f"{row.name} {row.label}\n" for row in rows))
        written[output] = rows
    return written


def _without_extension(name: str) -> str:
    """Return a name with its folders: images of equal names in two of them are two."""
    return str(PurePosixPath(name).with_suffix("")) if has_image_extension(name) else name
