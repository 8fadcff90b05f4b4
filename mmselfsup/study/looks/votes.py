"""What the nearest training images tell of an image. Letters: M training images, N test images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmselfsup.core.evaluation import LabelledFeatures, knn_scores
from mmselfsup.utils.device import default_device
from mmselfsup.utils.metrics import confusion_matrix, per_class_recall

from .files import Votes

NUM_VOTERS = 20


def count_votes(data: LabelledFeatures, train: list[str] | None, test: list[str] | None) -> Votes:
    """Let the neighbours vote for the class, and for the source where it is known.

    Args:
        data: Features and classes.
        train: Source of each training image [M], or None.
        test: Source of each test image [N], or None.
    """
    by_class = vote(data, data.train_labels, data.test_labels)
    if train is None or test is None or len(set(test)) < 2 or len(set(train)) < 2:
        return Votes(by_class, None)
    number = {name: i for i, name in enumerate(sorted({*train, *test}))}
    labels = (np.array([number[s] for s in part], dtype=np.int64) for part in (train, test))
    return Votes(by_class, vote(data, *labels))


def vote(data: LabelledFeatures, train: NDArray[np.int64], test: NDArray[np.int64]) -> float:
    """Balanced accuracy of a vote of the 20 nearest for labels of any meaning.

    Args:
        data: Its features count, its labels don't.
        train: Labels [M].
        test: Labels [N]; those that no test image has are left out of the mean.
    """
    judged = LabelledFeatures(data.train, train, data.test, test)
    k = min(NUM_VOTERS, len(train))
    scores = knn_scores(judged, (k,), device=default_device())[k]
    recall = per_class_recall(confusion_matrix(scores, test, judged.num_classes))
    return float(np.nanmean(recall))
