"""One numbering of the classes for all data of a run, by the names of the classes.

Each data source numbers the classes that it finds (folders, columns of a CSV file, ``classes``).
Where one of them lacks a class or has another order, equal labels mean different classes.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmselfsup.metrics import UNKNOWN
from mmselfsup.utils.errors import UserError

_SHOWN = 8  # names in a message at most
_NUMBER = re.compile(r"(class|label|category|cls)?[\s_-]*\d+", re.IGNORECASE)  # says nothing else


def use_classes(dataset: Any, classes: Sequence[str] | None, where: str, known: str) -> None:
    """Number the classes of a data set as ``classes`` does, by their names.

    Nothing happens where one of the two has no names (labels in a text list without ``classes``),
    or where the data set has no labels that anything reads (``gt_labels``).

    Args:
        dataset: A data set, or one made of others, see ``dataset_wrappers``.
        classes: Names of the classes in the order of their numbers.
        where: The data set, for messages, such as ``data.val``.
        known: Where ``classes`` come from, for messages, such as ``data.train``.

    Raises:
        UserError: The data set has a class that is not among ``classes``.
    """
    if classes is None or getattr(dataset, "gt_labels", None) is None:
        return
    renumber = getattr(dataset, "use_classes", None)
    if callable(renumber):  # a data set of the user may have no classes
        renumber(list(classes), where, known)


def new_numbers(
    own: Sequence[str], classes: Sequence[str], where: str, known: str, same: bool = False
) -> tuple[list[int] | None, list[str]]:
    """Return the new number of each class of a source, and the names under the new numbers.

    Names are compared without case and outer blanks, ``UNK`` too. Lists of classes of which one
    continues the other number alike: the challenge's test images have a ninth class ``UNK``.
    Elsewhere in the list, ``UNK`` becomes the last class. Lists of one length without a common name
    are two sets of names for the same classes where ``same`` says so, and, with a warning, where
    the names of one are numbers (``0``, ``class 0``).

    Args:
        own: Names of the source's classes.
        classes: Names of the classes in the wanted order.
        where, known: See ``use_classes``.
        same: Whether lists without a common name are the same classes in this order
            (``same_classes`` of the data source).

    Returns:
        The numbers, None where all stay as they are; the names.

    Raises:
        UserError: A name of the source is not among ``classes``, or no name is.
    """
    numbers = _matching(own, classes)
    common = min(len(own), len(classes))
    if numbers[:common] == list(range(common)):
        further = [UNKNOWN if _is_unknown(name) else name for name in own[common:]]
        return None, [*classes, *further]
    unknown = [name for name, number in zip(own, numbers, strict=True) if number is None]
    if not unknown:
        found = [number for number in numbers if number is not None]
        return found, [*classes, *([UNKNOWN] if len(classes) in found else [])]
    if len(unknown) == len(own) == len(classes):
        names = f"{where} names its classes {listed(own)}, {known} names them {listed(classes)}"
        if not same and not _are_numbers(own) and not _are_numbers(classes):
            raise UserError(
                f"{names}, and no name is the same: correct the names, give both the same "
                "classes=[...], or, if these are the same classes in this order, set "
                "same_classes=True in the data source of the first"
            )
        if not same:
            logging.getLogger("mmselfsup").warning(
                "%s: they are taken for the same in this order", names
            )
        return None, list(classes)
    raise UserError(
        f"{where} has the class(es) {listed(unknown)}, which {known} does not have "
        f"({listed(classes)}): correct the names, or give both the same classes=[...]"
    )


def _matching(own: Sequence[str], classes: Sequence[str]) -> list[int | None]:
    """Return the number in ``classes`` of each name, None where it has none."""
    exact = {name: number for number, name in enumerate(classes)}
    numbers = [exact.get(name) for name in own]
    # A name in another case, but not one of two that differ in nothing else.
    counts = Counter(_key(name) for name in (*classes, *own))
    place_of = {_key(name): number for number, name in enumerate(classes)}
    taken = {number for number in numbers if number is not None}
    for place, name in enumerate(own):
        if numbers[place] is None:
            key = _key(name)
            number = place_of.get(key, len(classes) if _is_unknown(name) else None)
            expected = 2 if key in place_of else 1
            if number not in taken and counts[key] == expected:
                numbers[place] = number
    return numbers


def _is_unknown(name: str) -> bool:
    """Return whether a name is ``UNK``, in any case."""
    return spelling(name) == spelling(UNKNOWN)


def _are_numbers(names: Sequence[str]) -> bool:
    """Return whether names are nothing but numbers, which contradict no other name."""
    return all(_NUMBER.fullmatch(str(name).strip()) for name in names)


def spelling(name: str) -> str:
    """Return what two spellings of a name have in common: all but case, blanks and accents' code.

    An accented letter is one character or two, as the system wrote it.
    """
    return " ".join(unicodedata.normalize("NFC", str(name)).casefold().split())


def check_places(classes: Sequence[str], where: str, known: str) -> None:
    """Check that a label without a name can be the place of a class.

    Args:
        classes: Names of the classes in the order of their places.
        where: The data set whose labels are numbers.
        known: Where ``classes`` come from.

    Raises:
        UserError: The names are numbers, too, and other ones than the places.
    """
    names = [str(name).strip() for name in classes]
    numbers = all(name.isascii() and name.isdecimal() for name in names)
    if numbers and [int(name) for name in names] != list(range(len(names))):
        raise UserError(
            f"{where} has labels without names, and {known} has the classes {listed(names)}: is "
            f"the label {names[0]} the class of this name, or the one at this place? Name the "
            f"classes of {where}: by folders or a CSV file with these names, or, if its labels "
            "count from 0 in this order, by the same classes=[...]"
        )


def _key(name: str) -> str:
    """Return what two spellings of a name have in common; of a number its value."""
    key = spelling(name)
    return str(int(key)) if key.isascii() and key.isdecimal() else key


def renumbered(label: Any, numbers: Sequence[int], num_classes: int) -> Any:
    """Return a label, or a list of labels, one for each class, under the new numbers."""
    if np.ndim(label) == 0:
        return label if label < 0 else numbers[label]
    moved = [0] * num_classes  # a class that the source doesn't know is not there
    for value, number in zip(label, numbers, strict=True):
        moved[number] = value
    return moved


def renumbered_array(
    labels: NDArray[Any], numbers: Sequence[int], num_classes: int
) -> NDArray[np.int64]:
    """Return the labels of all images, [N] or [N, L], under the new numbers, as ``renumbered``."""
    if labels.ndim == 1:
        known = np.asarray(numbers, dtype=np.int64)[np.maximum(labels, 0)]
        return np.where(labels < 0, labels, known)
    moved = np.zeros((len(labels), num_classes), np.int64)
    moved[:, list(numbers)] = labels
    return moved


def listed(names: Sequence[str]) -> str:
    """Return the first names."""
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(str, names[:_SHOWN])) + rest
