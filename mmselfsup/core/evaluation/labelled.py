"""Features with their labels, and the checks before every evaluation of them.

Letters: M training samples, N test samples, D width, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmselfsup.utils.errors import UserError


@dataclass(frozen=True)
class LabelledFeatures:
    """Features of a frozen network.

    Attributes:
        train: Features [M, D], float32.
        train_labels: Labels [M], int64, 0 to C - 1.
        test: Features [N, D], float32.
        test_labels: Labels [N], int64, 0 to C - 1.
        classes: The C names, where they are known.
    """

    train: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    test: NDArray[np.float32]
    test_labels: NDArray[np.int64]
    classes: Sequence[str] | None = None

    @property
    def num_classes(self) -> int:
        """Return C: the number of names, otherwise the highest label plus 1."""
        if self.classes is not None:
            return len(self.classes)
        return int(max(self.train_labels.max(), self.test_labels.max())) + 1

    def check(self) -> None:
        """Check that a classifier can be fitted and tested.

        Raises:
            UserError: Features are not finite, or the training samples are all of one class.
        """
        for part, features in (("training", self.train), ("test", self.test)):
            broken = int((~np.isfinite(features)).any(axis=1).sum())
            if broken:
                raise UserError(
                    f"{broken} of {len(features)} {part} features are NaN or infinite: the weights "
                    "are broken, take an earlier checkpoint"
                )
        if len(np.unique(self.train_labels)) < 2:
            raise UserError("the training samples are all of one class: check their list")


def check_labels(labels: object, num_samples: int, where: str) -> NDArray[np.int64]:
    """Return one class number for each sample.

    Args:
        labels: The ``gt_labels`` of a data set.
        num_samples: Length of the data set.
        where: The list of the images, for the error.

    Raises:
        UserError: There are no labels, several labels for a sample, or samples without a label.
    """
    array = np.empty(0) if labels is None else np.asarray(labels)
    if array.ndim != 1 and array.size:
        raise UserError(f"{where}: one label for each image is needed, these have several")
    missing = num_samples if array.size == 0 else int((array < 0).sum())
    if missing:
        raise UserError(
            f"{where}: {missing} of {num_samples} images have no label; give a list with "
            "'name label' in every line"
        )
    return array.astype(np.int64)
