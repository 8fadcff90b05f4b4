"""The table of predictions: probabilities with the names of images and classes.

Letters: N images, C classes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmselfsup.metrics.multi_label import THRESHOLD
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write_text, check_writable, csv_text

_FILES = (".csv",)


@dataclass(frozen=True)
class Predictions:
    """The probabilities of N images for C classes.

    Attributes:
        images: N names: paths as they were given; ``image 0`` and so on for images in memory.
        classes: C names.
        probabilities: [N, C], rows that sum to 1, or a probability for each class where an image
            may be of several; nan for an image that could not be read.
        errors: Why an image could not be read, by its number.
        labels: [N], the true classes, -1 where one is not known; [N, C], 0 or 1 for each class,
            where an image may be of several; None where none is known.
        multi_label: Whether an image may be of several classes.
    """

    images: list[str]
    classes: list[str]
    probabilities: NDArray[np.float64]
    errors: dict[int, str] = field(default_factory=dict)
    labels: NDArray[np.int64] | None = None
    multi_label: bool = False

    @property
    def predicted(self) -> list[str]:
        """Return the most probable class of each image, ``''`` where it could not be read.

        Where an image may be of several classes: those from 0.5 on, joined by ``|``.
        """
        if self.multi_label:
            return [self._joined(row >= THRESHOLD) for row in self.probabilities]
        best = np.nan_to_num(self.probabilities, nan=-1.0).argmax(axis=1)
        return ["" if i in self.errors else self.classes[k] for i, k in enumerate(best)]

    def counts(self) -> dict[str, int]:
        """Return how often each class is predicted, those that are, the most frequent first."""
        return dict(Counter(name for name in self.predicted if name).most_common())

    def csv(self) -> str:
        """Return a table: image, predicted class, its probability, and that of each class.

        The true class stands before the predicted one where labels are known. Where an image could
        not be read its row has the reason in a further column, ``error``.
        """
        known = ["label"] if self.labels is not None else []
        more = ["error"] if self.errors else []
        table = [["image", *known, "predicted", "probability", *self.classes, *more]]
        rows = zip(self.images, self.predicted, self.probabilities, strict=True)
        for number, (name, predicted, row) in enumerate(rows):
            reason = self.errors.get(number)
            numbers = [row.max(), *row] if reason is None else []
            cells = [f"{value:.6f}" for value in numbers] or [""] * (len(self.classes) + 1)
            label = [self._label(number)] if known else []
            table.append([name, *label, predicted, *cells, *([reason or ""] if more else [])])
        return csv_text(table)

    def write(self, path: str) -> None:
        """Write the table to a file, completely or not at all.

        Raises:
            UserError: See ``check_predictions_file``.
        """
        check_predictions_file(path)
        atomic_write_text(path, self.csv())

    def _label(self, number: int) -> str:
        """Return the true class of an image, ``''`` where it is not known."""
        if self.multi_label and self.labels is not None:
            return self._joined(self.labels[number] > 0)
        label = -1 if self.labels is None else int(self.labels[number])
        return self.classes[label] if 0 <= label < len(self.classes) else ""

    def _joined(self, chosen: NDArray[np.bool_]) -> str:
        """Return the names of the chosen classes [C]."""
        return "|".join(name for name, hit in zip(self.classes, chosen, strict=True) if hit)


def check_predictions_file(path: str) -> None:
    """Check the name of a file for predictions before the work is done.

    Raises:
        UserError: It has another type, or can't be written.
    """
    if Path(path).suffix not in _FILES or Path(path).is_dir():
        raise UserError(f"--out {path}: name a file that ends with {', '.join(_FILES)}")
    check_writable(path)
