"""Classifiers that hardly look: their recall of the class that they always name is no merit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..records import RunRecord

#: The part of all predictions that one class takes, from which on a classifier is degenerate.
_ONE_CLASS = 0.9


def is_degenerate(run: RunRecord) -> bool:
    """Return whether nearly all predictions are one class, which fewer test images are of."""
    matrix = np.asarray(run.confusion_matrix, dtype=float)
    total = matrix.sum()
    if not total:
        return False
    predicted, true = matrix.sum(axis=0) / total, matrix.sum(axis=1) / total
    most = int(predicted.argmax())
    return bool(predicted[most] >= _ONE_CLASS and true[most] < predicted[most])


def any_degenerate(runs: Sequence[RunRecord]) -> bool:
    """Return whether one of several runs is."""
    return any(map(is_degenerate, runs))
