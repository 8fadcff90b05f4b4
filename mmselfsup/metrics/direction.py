"""Which of two values of a metric is better: the direction of a metric, read from its name.

The best checkpoint, a plateau and the checks before a training all ask here. A name is read in
whole words, so that the name of a class decides nothing: more of ``recall_glossitis`` is better.
"""

import math
import re
from collections.abc import Iterable

GREATER, LESS = "greater", "less"
#: The values of ``rule``, mmcv's word for the direction.
RULES = (GREATER, LESS)

# Words in the names of metrics, in small letters, by what is better. A name with words of both
# kinds, or with none, tells nothing.
_MORE = {
    "aacc", "acc", "accuracy", "ap", "ar", "auc", "auroc", "dice", "f1", "iou", "kappa", "macc",
    "map", "mcc", "mdice", "miou", "precision", "recall", "sensitivity", "specificity", "top",
}  # fmt: skip
_LESS = {"brier", "ece", "err", "error", "loss", "nll"}
# With one of these the other words say what is compared or left out, not what is better.
_UNCLEAR = {
    "delta", "diff", "difference", "drop", "eer", "false", "far", "fnr", "fpr", "frr", "gap",
    "miss", "missed", "rate", "spread", "std", "var", "variance", "wrong",
}  # fmt: skip
# Words may be written as one: valacc, trainloss. Shorter and commoner ends (map, top) are no
# evidence.
_ENDS = ("acc", "accuracy", "auc", "auroc", "precision", "recall", "loss")
# The metrics of this package, behind the name of a head and the parts of a detail; what follows
# ``recall_`` is the name of a class.
_OWN = re.compile(
    r"(head\d+_)?(?P<kind>top\d+|(balanced_)?accuracy|macro_(auc|f1)|mAP|ece|sensitivity|"
    r"specificity|precision|average_precision|f1|auc|p?auc80|(recall|AP|auc|f1)_(?P<name>.+))"
)


def better(
    metric: str, greater_keys: str | Iterable[str] = (), less_keys: str | Iterable[str] = ()
) -> str | None:
    """Return which of a metric is better, ``'greater'`` or ``'less'``, by its name.

    Keys that a user gives are compared first, as mmcv does: the whole name before parts of it,
    small letters equal to large ones. Then the words of the name count.

    Args:
        metric: The name, such as ``head0_top1``, ``per_class/MEL/auc`` or ``val_loss``.
        greater_keys: Names, or parts of names, of which more is better.
        less_keys: The same of which less is better.

    Returns:
        None where the name doesn't tell, as that of a difference or of a rate of errors.
    """
    return _by_keys(metric, greater_keys, less_keys) or _by_words(metric)


def is_own(metric: str) -> bool:
    """Return whether this package measures a metric of this name: its direction is certain."""
    return _own(metric) is not None


def worst(rule: str) -> float:
    """Return what every value is better than: minus infinity for ``'greater'``."""
    return -math.inf if rule == GREATER else math.inf


def gain(rule: str, value: float, before: float) -> float:
    """Return by how much a value is better than one before; nan where one is nan."""
    return value - before if rule == GREATER else before - value


def _by_keys(
    metric: str, greater_keys: str | Iterable[str], less_keys: str | Iterable[str]
) -> str | None:
    """Return the direction by the keys of a user."""
    name = metric.lower()
    more, less = (
        [key.lower() for key in ([keys] if isinstance(keys, str) else keys)]
        for keys in (greater_keys, less_keys)
    )
    if name in more or name in less:
        return GREATER if name in more else LESS
    if any(key in name for key in more):
        return GREATER
    return LESS if any(key in name for key in less) else None


def _by_words(metric: str) -> str | None:
    """Return the direction by the words of a name."""
    if own := _own(metric):
        return LESS if own["kind"] == "ece" else GREATER
    words = _words(metric)
    if words & _UNCLEAR:
        return None
    ends = {end for word in words for end in _ENDS if word.endswith(end)}
    more, less = bool((words | ends) & _MORE), bool((words | ends) & _LESS)
    return None if more == less else GREATER if more else LESS


def _own(metric: str) -> re.Match[str] | None:
    """Return the match of a metric of this package; None for another one.

    ``auc_drop`` and ``f1_loss`` are not taken for the AUC and F1 of classes of these names.
    """
    own = _OWN.fullmatch(metric) or _OWN.fullmatch(metric.rpartition("/")[2])
    first = re.match(r"[A-Za-z]*", (own and own["name"]) or "")
    return None if first and first[0].lower() in _UNCLEAR | _LESS else own


def _words(metric: str) -> set[str]:
    """Return the words of a name in small letters, with and without a 1 at their end."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", metric)  # valAcc
    words = set(re.findall(r"[a-z]+(?:1(?![0-9]))?", f"{metric} {parted}".lower()))
    return words | {word.rstrip("1") for word in words}
