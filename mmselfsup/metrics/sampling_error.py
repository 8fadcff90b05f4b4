"""Standard errors of balanced accuracies, and of their differences, over draws of test lesions.

Images of one lesion are not independent, and two classifiers err on the same images, so both are
counted lesion by lesion: the variance of a mean of recalls is the sum over the lesions of the
squared sums of their images' residuals (the linearised variance of cluster sampling; Cochran,
"Sampling Techniques", 1977, section 9A).

The residuals of few lesions are too small, so the part of a class with L_c lesions, fewer than its
images, is multiplied by L_c / (L_c - 1): the cluster-robust variance CR1 of Cameron and Miller
(2015), "A Practitioner's Guide to Cluster-Robust Inference", section VI, for a mean. An image per
lesion leaves the binomial variance of ``standard_error``. One lesion tells nothing about others:
such a class has at least the variance of as many independent images, which is a lower bound. With
few lesions a class an interval of 1.96 errors still covers less than 95 %.

Letters: N images, C classes, L lesions, L_c of them with images of class c.
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
    clusters = _Clusters(truth, index)

    def error(values: Floats, added: float, more: Floats) -> float:
        """Return the error of a mean: values [N], the sum of those added, their squares [C]."""
        means = (np.bincount(truth, values) + added) / counts  # [C]
        residuals = (values - means[truth]) / counts[truth]  # [N]
        # Of the added images, each a lesion of its own.
        own = (more - 2 * added * means + 2 * means**2)[present] / counts[present] ** 2
        variance = clusters.variance(residuals) + float(own.sum())
        return math.sqrt(variance) / len(present)

    ones = np.ones(len(counts))
    errors: dict[str, dict[str, float]] = {}
    for name, own in hits.items():
        errors[name] = {
            other: error(own, 1.0, ones) if other == name else error(own - values, 0.0, ones)
            for other, values in hits.items()
        }
    return errors


class _Clusters:
    """The images of each class by their lesions, and what few lesions ask for."""

    def __init__(self, truth: NDArray[np.int64], index: NDArray[np.int64]) -> None:
        """Take the class and the lesion of each image: [N], 0..C-1 and 0..L-1."""
        self.truth, self.index = truth, index
        images = np.bincount(truth)  # [C]
        lesions = np.bincount(np.unique(np.stack([truth, index]), axis=1)[0])  # [C]
        grouped = (lesions > 1) & (lesions < images)
        factors = np.ones(len(images))
        factors[grouped] = np.sqrt(lesions[grouped] / (lesions[grouped] - 1))
        self.factors = factors[truth]  # [N]
        self.lone = (lesions == 1)[truth]  # [N]; all images of the class are of one lesion

    def variance(self, residuals: Floats) -> float:
        """Return the variance of the sum of residuals [N], each divided by its class's count."""
        by_lesion = np.bincount(self.index, residuals * self.factors)  # [L]
        own, classes = residuals[self.lone], self.truth[self.lone]
        # What the one lesion of a class lacks to the variance of as many independent images.
        lacking = np.bincount(classes, np.square(own)) - np.square(np.bincount(classes, own))
        return float(np.square(by_lesion).sum() + np.maximum(lacking, 0.0).sum())
