"""Standard errors of balanced accuracies, and of their differences, over draws of test lesions.

Images of one lesion are not independent, and two classifiers err on the same images, so both are
counted lesion by lesion: the variance of a mean of recalls is the sum over the lesions of the
squared sums of their images' residuals (the linearised variance of cluster sampling; Cochran,
"Sampling Techniques", 1977, section 9A).

Letters: N images, C classes, L lesions.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .bootstrap import lesion_index
from .classification import checked

Floats = NDArray[np.float64]


def sampling_errors(
    scores: Mapping[str, ArrayLike],
    labels: ArrayLike,
    lesions: Sequence[Hashable] | None = None,
) -> dict[str, dict[str, float]]:
    """Return the standard errors of several classifiers on the same images.

    One hit and one miss are added to each class, otherwise small classes with all predictions right
    or wrong would have no error; for a difference they are half an image of each of the four
    outcomes (Agresti and Min 2005, "Simple improved confidence intervals for comparing matched
    proportions").

    Args:
        scores: For each classifier [N, C], logits or probabilities.
        labels: [N], 0..C-1.
        lesions: Key of the lesion of each image; None for a lesion per image.

    Returns:
        ``errors[a][a]``, the standard error of the balanced accuracy of ``a``; ``errors[a][b]``,
        that of the difference of ``a`` and ``b``.
    """
    hits: dict[str, Floats] = {}
    for name, values in scores.items():
        _, truth = checked(values, labels)
        hits[name] = (np.asarray(values).argmax(axis=1) == truth).astype(np.float64)  # [N]
    if not hits:
        return {}
    index = lesion_index(lesions, len(truth))
    counts = np.bincount(truth) + 2.0  # [C]; one hit and one miss more
    present = np.unique(truth)

    def error(values: Floats, added: float, more: Floats) -> float:
        """Return the error of a mean: values [N], the sum of those added, their squares [C]."""
        means = (np.bincount(truth, values) + added) / counts  # [C]
        residuals = (values - means[truth]) / counts[truth]  # [N]
        by_lesion = np.bincount(index, residuals)  # [L]
        # Of the added images, each a lesion of its own.
        own = (more - 2 * added * means + 2 * means**2)[present] / counts[present] ** 2
        return math.sqrt(float(np.square(by_lesion).sum() + own.sum())) / len(present)

    ones = np.ones(len(counts))
    errors: dict[str, dict[str, float]] = {}
    for name, own in hits.items():
        errors[name] = {
            other: error(own, 1.0, ones) if other == name else error(own - values, 0.0, ones)
            for other, values in hits.items()
        }
    return errors
