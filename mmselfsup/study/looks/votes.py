"""k-NN scores of features for class and source. Letters: M training images, N test images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmselfsup.core.evaluation.knn import knn_scores
from mmselfsup.core.evaluation.labelled import LabelledFeatures
from mmselfsup.metrics import confusion_matrix, per_class_recall
from mmselfsup.utils.device import default_device

from .files import KnnScores

NUM_VOTERS = 20


def knn_scores_by(
    data: LabelledFeatures, train: list[str] | None, test: list[str] | None
) -> KnnScores:
    """Return the k-NN scores for the class, and for the source where it is known.

    Args:
        data: Features and classes.
        train: Source of each training image [M], or None.
        test: Source of each test image [N], or None.
    """
    by_class = vote(data, data.train_labels, data.test_labels)
    if train is None or test is None or len(set(test)) < 2 or len(set(train)) < 2:
        return KnnScores(by_class, None)
    number = {name: i for i, name in enumerate(sorted({*train, *test}))}
    labels = (np.array([number[s] for s in part], dtype=np.int64) for part in (train, test))
    return KnnScores(by_class, vote(data, *labels))


def vote(data: LabelledFeatures, train: NDArray[np.int64], test: NDArray[np.int64]) -> float:
    """Return the balanced accuracy of a k-NN classifier (k = 20) for labels of any meaning.

    Args:
        data: Features; the labels in it are not used.
        train: Labels of the training images [M].
        test: Labels of the test images [N]; a label that none has is left out of the mean.
    """
    relabelled = LabelledFeatures(data.train, train, data.test, test)
    k = min(NUM_VOTERS, len(train))
    scores = knn_scores(relabelled, (k,), device=default_device())[k]
    recall = per_class_recall(confusion_matrix(scores, test, relabelled.num_classes))
    return float(np.nanmean(recall))  # the recall of a class without test images is NaN
