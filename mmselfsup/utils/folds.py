"""Folds that are stratified by class and source and never divide a group, such as a lesion.

scikit-learn's ``StratifiedGroupKFold`` is similar, but its folds depend on its version, on the
stream of numpy's generator, and on the order of the rows. A fold that changes with an update
makes results incomparable and, worse, lets a test lesion of last year into this year's
training. So the (short) algorithm is implemented in this file and every draw is a SHA-256
digest: equal ids, labels and seed give equal folds on every machine, with every library
version, for every order of the rows.

Letters: N images.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

#: Changed whenever the same input would give other folds.
ALGORITHM = "sha256-greedy-1"
_Key = tuple[int, str] | tuple[int] | tuple[()]


def assign_folds(
    labels: Sequence[int],
    groups: Sequence[str],
    num_folds: int,
    seed: int | str,
    sources: Sequence[str] | None = None,
) -> list[int]:
    """Return the fold of every image.

    Groups are dealt out class by class (rarest first), largest first, and in an order drawn from
    ``seed`` among equally large ones. Each goes to the fold where its class plus its class from
    its source are fewest so far, then its class, then images in all, then by the draw. A group of
    several classes counts as its rarest. As many groups have one image, the folds' counts of a
    class differ by an image or two. Balancing the sources helps users who have the images of one
    source only.

    Args:
        labels: Class of each of N images.
        groups: Key of each image's group, its own where an image belongs to none.
        num_folds: F, at least 2 and at most the number of groups.
        seed: Other seeds give other folds.
        sources: Origin of each image; None for one origin.

    Returns:
        N fold numbers, 0..F-1.

    Raises:
        ValueError: Lengths differ, or ``num_folds`` is not between 2 and the number of groups.
    """
    sources = [""] * len(labels) if sources is None else sources
    if not len(labels) == len(groups) == len(sources):
        lengths = f"{len(labels)}, {len(groups)}, {len(sources)}"
        raise ValueError(f"labels, groups and sources must be equally long, got {lengths}")
    members = _members(groups)
    if not 2 <= num_folds <= len(members):
        raise ValueError(f"the number of folds must be 2..{len(members)} (groups), got {num_folds}")

    fold_of = [0] * len(labels)
    # What each fold has so far, under the keys of ``_keys``.
    dealt: list[Counter[_Key]] = [Counter() for _ in range(num_folds)]
    for group, label, source in _turns(labels, sources, members, seed):
        loads = []
        for fold, counts in enumerate(dealt):
            of_source, of_class, of_all = (counts[key] for key in _keys(label, source))
            draw = _draw(seed, group, fold)
            loads.append((of_source + of_class, of_class, of_all, draw))
        fold = loads.index(min(loads))
        for index in members[group]:
            fold_of[index] = fold
            dealt[fold].update(_keys(labels[index], sources[index]))
    return fold_of


def _members(groups: Sequence[str]) -> dict[str, list[int]]:
    """Return the indices of the images of each group."""
    members: dict[str, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    return members


def _keys(label: int, source: str) -> tuple[_Key, _Key, _Key]:
    """Return the counters that an image adds to: class and source, class, all."""
    return (label, source), (label,), ()


def _turns(
    labels: Sequence[int], sources: Sequence[str], members: dict[str, list[int]], seed: int | str
) -> Iterator[tuple[str, int, str]]:
    """Yield the groups in the order in which they are dealt out, with their class and source."""
    class_sizes = Counter(labels)
    turns = []
    for group, rows in members.items():
        rarity, label = min((class_sizes[labels[row]], labels[row]) for row in rows)
        source = min(sources[row] for row in rows)
        # The draw decides among equally large groups; the name only makes the order total.
        turns.append((rarity, label, -len(rows), _draw(seed, group), group, source))
    for _, label, _, _, group, source in sorted(turns):
        yield group, label, source


def _draw(seed: int | str, *names: object) -> str:
    """Return a random number as text that depends on the arguments and on nothing else."""
    return hashlib.sha256("\n".join(map(str, (seed, *names))).encode()).hexdigest()
