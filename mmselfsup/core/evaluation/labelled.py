"""Features with their labels, and what every judge of them checks first. Letters: M training
samples, N test samples, D width, C classes.
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
        train: [M, D], float32.
        train_labels: [M], int64, 0 to C - 1.
        test: [N, D], float32.
        test_labels: [N], int64, 0 to C - 1.
        classes: the C names, where they are known.
    """

    train: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    test: NDArray[np.float32]
    test_labels: NDArray[np.int64]
    classes: Sequence[str] | None = None

    @property
    def num_classes(self) -> int:
        """C: as many as have a name, otherwise up to the highest label."""
        if self.classes is not None:
            return len(self.classes)
        return int(max(self.train_labels.max(), self.test_labels.max())) + 1

    def check(self) -> None:
        """See that a classifier can be fitted and measured.

        Raises:
            UserError: features that are not finite, or training samples of one class only.
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
    """One class number for each sample.

    Args:
        labels: what a data set has under ``gt_labels``.
        num_samples: length of the data set.
        where: the list, for the error.

    Raises:
        UserError: there are no labels, several for a sample, or a sample without.
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
