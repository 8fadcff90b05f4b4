"""From the scores of a classifier to numbers, for one head or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmcv.utils import print_log
from numpy.typing import ArrayLike, NDArray

from ..utils.errors import UserError


def evaluate_heads(
    results: Mapping[str, ArrayLike],
    labels: NDArray[np.int64],
    class_names: Sequence[str] | None = None,
    topk: int | Sequence[int] = (1, 5),
    logger: Any = None,
) -> dict[str, float]:
    """Measure the scores of each head.

    Args:
        results: For each head its scores [N, C].
        labels: [N], the truth.
        class_names: Names of the C classes.
        topk: Which top-k accuracies to give; a k above C is left out.
        logger: Logger or its name; None is silent.

    Returns:
        For each head `<head>_top<k>` in percent (0..100, as MMSelfSup 0.x), and the fractions
        (0..1) of `mmselfsup.utils.metrics.classification_metrics`: with these names where there
        is one head, `<head>_<name>` where there are several.

    Raises:
        UserError: The number of scores is not the number of labels, an image has no label or
            several labels.
        ValueError: The scores hold NaN, or fewer classes than the labels.
    """
    from ..utils.metrics import classification_metrics  # loads scikit-learn

    if labels.ndim != 1:
        raise UserError("evaluation needs one label for each image, these have several")
    if (labels < 0).any():
        raise UserError(
            f"{int((labels < 0).sum())} of {len(labels)} images have no label: evaluation needs a "
            "list with a label in every line"
        )
    numbers: dict[str, float] = {}
    for head, value in results.items():
        scores = np.asarray(value)  # [N, C]
        if len(scores) != len(labels):
            raise UserError(f"{head}: {len(scores)} scores for {len(labels)} images of the dataset")
        metrics = classification_metrics(scores, labels, class_names)
        for k, accuracy in topk_accuracy(scores, labels, topk).items():
            numbers[f"{head}_top{k}"] = accuracy
        prefix = f"{head}_" if len(results) > 1 else ""
        numbers.update({f"{prefix}{name}": metric for name, metric in metrics.items()})
    if logger is not None:
        print_log(", ".join(f"{name}: {x:.4f}" for name, x in numbers.items()), logger=logger)
    return numbers


def topk_accuracy(
    scores: NDArray[Any], labels: NDArray[np.int64], topk: int | Sequence[int]
) -> dict[int, float]:
    """How often the truth is among the k highest scores, in percent; k above C is left out.

    Equal scores: the class with the lower number stands first, as in `argmax`.

    Args:
        scores: [N, C].
        labels: [N], 0..C-1.
        topk: One k or several.
    """
    truth = np.take_along_axis(scores, labels[:, None], axis=1)  # [N, 1]
    classes = np.arange(scores.shape[1])
    ahead = (scores > truth) | ((scores == truth) & (classes < labels[:, None]))  # [N, C]
    place = ahead.sum(axis=1)  # [N], 0 is first
    ks = (topk,) if isinstance(topk, int) else topk
    return {k: 100.0 * float((place < k).mean()) for k in ks if k <= scores.shape[1]}
