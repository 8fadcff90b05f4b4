"""The classes of a foreign test set in terms of a model's classes.

A model has C classes, the set names of its own. A map says which of the model's classes each name
means: one, several (their probabilities are added), all that no other name has (``others``, unless
the model has a class of this name), or none (images of this name are left out). Names that mean the
same become one class, since the model can't tell them apart.

Letters: N samples, C classes of the model, K classes of the set.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.plurals import counted

from .classification import probabilities

#: In a map: all classes of the model that no other name of the set has.
OTHERS = "others"
_OR = re.compile(r"\s+or\s+")
_LEAST = 1e-12  # probability of a set's classes together, so that their shares are defined


@dataclass(frozen=True)
class ClassMap:
    """What the names of a set mean to a model.

    Attributes:
        classes: Names of the K classes of the set.
        members: For each of them, the numbers of the model's classes whose probabilities are added.
        number: Number of the class by each name in the set's table; None: left out.
        model_classes: Names of the model's C classes.
    """

    classes: tuple[str, ...]
    members: tuple[tuple[int, ...], ...]
    number: Mapping[str, int | None]
    model_classes: tuple[str, ...]

    @property
    def absent(self) -> tuple[str, ...]:
        """Return the model's classes that no class of the set has."""
        used = {member for members in self.members for member in members}
        return tuple(name for n, name in enumerate(self.model_classes) if n not in used)

    def names_of(self, number: int) -> tuple[str, ...]:
        """Return the model's classes behind a class of the set."""
        return tuple(self.model_classes[member] for member in self.members[number])

    def present(self, counts: Sequence[int]) -> ClassMap:
        """Return the map without the classes [K] that the set has no image of.

        Raises:
            ValueError: Fewer than two classes are left.
        """
        kept = [number for number, count in enumerate(counts) if count]
        if len(kept) < 2:
            raise ValueError(
                f"{counted(len(kept), 'class has', 'classes have')} images, two are needed"
            )
        number = {
            name: kept.index(n) if n is not None and n in kept else None
            for name, n in self.number.items()
        }
        classes = tuple(self.classes[n] for n in kept)
        members = tuple(self.members[n] for n in kept)
        return ClassMap(classes, members, number, self.model_classes)

    def join(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Return the probabilities of the set's classes, among these alone.

        Args:
            scores: [N, C], logits or probabilities of the model's classes.

        Returns:
            [N, K], rows that sum to 1: probabilities if an image is of one of the K classes.
        """
        probs = probabilities(scores)
        if probs.shape[1] != len(self.model_classes):
            raise ValueError(f"{probs.shape[1]} scores for {len(self.model_classes)} classes")
        sums = np.stack([probs[:, list(m)].sum(axis=1) for m in self.members], axis=1)  # [N, K]
        sums = sums.clip(_LEAST)
        return np.asarray(sums / sums.sum(axis=1, keepdims=True))

    def labels_of_model(self, labels: ArrayLike) -> NDArray[np.int64]:
        """Return the set's class of each of the model's labels [N]; -1 where the set lacks it."""
        numbers = np.full(len(self.model_classes), -1, dtype=np.int64)
        for number, members in enumerate(self.members):
            numbers[list(members)] = number
        return np.asarray(numbers[np.asarray(labels, dtype=np.int64)])


def make_class_map(
    given: Mapping[str, str | None], labels: Sequence[str], model_classes: Sequence[str], where: str
) -> ClassMap:
    """Return the map of a set.

    Args:
        given: For each name in the set's table the model's classes, ``AK or SCC``; ``others``;
            or None for names that are left out. Empty: the names are those of the model, and
            none of them is split at `` or `` or read as ``others``.
        labels: The names in the set's table.
        model_classes: Names of the model's classes.
        where: What has the map, for errors.

    Raises:
        UserError: A name has no entry, an entry names a class that the model lacks or has two
            meanings, two entries share a class without being equal, or fewer than two classes are
            left.
    """
    known = ", ".join(model_classes)
    unknown = [name for name in labels if name not in (given or model_classes)]
    if unknown:
        raise UserError(
            f"{where}: the class {unknown[0]!r} has no entry in its map; "
            + (f"there are {', '.join(given)}" if given else f"without a map it must be of {known}")
        )
    if not given:  # the names are the model's own, so nothing in them is a word of a map
        own = {name: (list(model_classes).index(name),) for name in labels}
        return _joined({name: name for name in labels}, own, tuple(model_classes), where)
    members = {name: _members(text, model_classes, f"{where}: map of {name!r}", known)
               for name, text in given.items() if text is not None and text != OTHERS}  # fmt: skip
    taken = {member for found in members.values() for member in found}
    rest = tuple(n for n in range(len(model_classes)) if n not in taken)
    for name in (name for name, text in given.items() if text == OTHERS):
        if OTHERS in model_classes:
            raise UserError(
                f"{where}: map of {name!r}: {OTHERS} is a class of the model and the word for all "
                "classes that no other name has; list these (A or B), or rename the model's class"
            )
        if not rest:
            raise UserError(f"{where}: map of {name!r}: no class of the model is left for {OTHERS}")
        members[name] = rest
    return _joined(given, members, tuple(model_classes), where)


def class_map_of(
    classes: Sequence[str],
    members: Sequence[Sequence[str]],
    model_classes: Sequence[str],
    where: str,
) -> ClassMap:
    """Return the map of a set whose classes are known, as a prepared set stores it.

    Args:
        classes: Names of the K classes of the set.
        members: For each of them the names of the model's classes, taken as they are.
        model_classes: Names of the model's classes.
        where: What has the map, for errors.

    Raises:
        UserError: The model lacks a class.
    """
    place = {name: number for number, name in enumerate(model_classes)}
    if unknown := [name for names in members for name in names if name not in place]:
        known = ", ".join(model_classes)
        raise UserError(f"{where} has the class {unknown[0]!r}, which the model lacks ({known})")
    numbers = tuple(tuple(sorted(place[name] for name in names)) for names in members)
    order = {name: number for number, name in enumerate(classes)}
    return ClassMap(tuple(classes), numbers, order, tuple(model_classes))


def _members(text: str, classes: Sequence[str], where: str, known: str) -> tuple[int, ...]:
    """Return the numbers of the classes that an entry names."""
    name = text.strip()
    words = _OR.split(name)
    if len(words) > 1 and name in classes:  # a class may be called "nevus or mole"
        if all(word in classes for word in words):
            raise UserError(
                f"{where}: {name!r} is a class of the model, and so is each of {', '.join(words)}: "
                "rename one of them"
            )
        words = [name]
    for word in words:
        if word not in classes:
            raise UserError(f"{where} names the class {word!r}, which the model lacks ({known})")
    return tuple(sorted({list(classes).index(word) for word in words}))


def _joined(
    wanted: Mapping[str, str | None],
    members: Mapping[str, tuple[int, ...]],
    model_classes: tuple[str, ...],
    where: str,
) -> ClassMap:
    """Make one class of the names that mean the same."""
    names: dict[tuple[int, ...], list[str]] = {}
    for name in (name for name in wanted if name in members):
        names.setdefault(members[name], []).append(name)
    keys = list(names)
    for position, key in enumerate(keys):
        for other in keys[:position]:
            if both := set(key) & set(other):
                raise UserError(
                    f"{where}: {names[key][0]!r} and {names[other][0]!r} both have the class "
                    f"{model_classes[min(both)]} of the model, but not the same classes: no "
                    "prediction could be told apart"
                )
    if len(keys) < 2:
        raise UserError(f"{where}: its map leaves {counted(len(keys), 'class')}, two are needed")
    # A single name is the set's own; several are told by what they mean.
    own = tuple(
        found[0] if len(found) == 1 else " or ".join(model_classes[n] for n in key)
        for key, found in names.items()
    )
    number = {name: keys.index(members[name]) if name in members else None for name in wanted}
    return ClassMap(own, tuple(keys), number, model_classes)
