"""Metrics of a data set's ``evaluate``: of the scores of one head or several.

Letters: N samples, C classes.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmselfsup.utils.errors import MismatchError, UserError
from mmselfsup.utils.patients import source_of

from .bootstrap import bootstrap_intervals, fewest_lesions
from .classification import (
    MANY_CLASSES,
    classification_metrics,
    detailed_metrics,
    expected_calibration_error,
    is_fact,
)
from .multi_label import multi_label_metrics
from .unknown import UNKNOWN, known_only, with_unknown, without_threshold

#: More different beginnings of group ids are no collections of images.
MANY_SOURCES = 20


def evaluate_heads(
    results: Mapping[str, ArrayLike],
    labels: NDArray[np.int64],
    class_names: Sequence[str] | None = None,
    topk: int | Sequence[int] = (1, 5),
    logger: Any = None,
    lesions: Sequence[str] | None = None,
    **options: Any,
) -> dict[str, float]:
    """Return the metrics of each head's scores.

    Args:
        results: For each head its scores [N, C].
        labels: [N], the truth; [N, C] where an image may be of several classes, see
            ``multi_label_metrics``.
        class_names: Names of the C classes; ``UNK`` last where it is one of them.
        topk: Which top-k accuracies to return; a k above C is left out.
        logger: Logger or its name; None is silent.
        lesions: N lesion ids, ``''`` where it is not known: adds the metrics by source.
        **options: See ``head_numbers``.

    Returns:
        For each head ``<head>_top<k>`` in percent (0..100, as MMSelfSup 0.x), and the metrics of
        ``head_numbers``: under these names for one head, under ``<head>_<name>`` for several.

    Raises:
        MismatchError: The number of scores is not the number of labels.
        UserError: An image has no label, or not one for each class where it has several.
        ValueError: The scores hold NaN, or fewer classes than the labels.
    """
    if labels.ndim != 1:
        return _several_labels(results, labels, class_names, logger)
    if (labels < 0).any():
        raise UserError(
            f"{int((labels < 0).sum())} of {len(labels)} images have no label: evaluation needs a "
            "list with a label in every line"
        )
    numbers: dict[str, float] = {}
    for head, value in results.items():
        scores = np.asarray(value)  # [N, C]
        if len(scores) != len(labels):
            raise MismatchError(
                f"{head}: {len(scores)} scores for {len(labels)} images of the dataset"
            )
        with_all, _ = with_unknown(scores, class_names, options.get("unk_threshold"))
        if labels.max(initial=0) >= with_all.shape[1]:
            at = int(labels.argmax())
            raise UserError(
                f"{head} has scores of the classes 0 to {with_all.shape[1] - 1}, but the label of "
                f"image {at + 1} of the list is {labels[at]}: number its classes from 0, as those "
                "of the training"
            )
        metrics = head_numbers(scores, labels, class_names, lesions, **options)
        scores = with_all
        for k, accuracy in topk_accuracy(scores, labels, topk).items():
            numbers[f"{head}_top{k}"] = accuracy
        prefix = f"{head}_" if len(results) > 1 else ""
        numbers.update({f"{prefix}{name}": metric for name, metric in metrics.items()})
    _show(numbers, logger)
    return numbers


def _several_labels(
    results: Mapping[str, ArrayLike],
    labels: NDArray[np.int64],
    class_names: Sequence[str] | None,
    logger: Any,
) -> dict[str, float]:
    """Return the metrics of images that may be of several classes; labels [N, C]."""
    numbers: dict[str, float] = {}
    for head, value in results.items():
        scores = np.asarray(value)  # [N, C]
        if scores.shape != labels.shape:
            raise UserError(
                f"{head}: scores of {scores.shape[1]} classes, but these have several labels: "
                f"{labels.shape[1]} for each image"
            )
        if scores.min(initial=0) < 0 or scores.max(initial=0) > 1:
            raise UserError(
                f"{head}: these have several labels each, and the scores are no probabilities of "
                "each class: use MultiLabelClsHead"
            )
        prefix = f"{head}_" if len(results) > 1 else ""
        metrics = multi_label_metrics(scores, labels, class_names)
        numbers.update({f"{prefix}{name}": metric for name, metric in metrics.items()})
    _show(numbers, logger)
    return numbers


def _show(numbers: Mapping[str, float], logger: Any) -> None:
    """Log the metrics whose names have no slash."""
    if logger is not None:
        shown = [
            f"{name}: {x:.4f}"
            for name, x in numbers.items()
            if "/" not in name and not is_fact(name)
        ]
        from mmcv.utils import print_log  # loads torch, which the study does not

        print_log(", ".join(shown), logger=logger)


def head_numbers(
    scores: NDArray[Any],
    labels: NDArray[np.int64],
    class_names: Sequence[str] | None = None,
    lesions: Sequence[str] | None = None,
    unk_threshold: float | None = None,
    bootstrap: int = 0,
) -> dict[str, float]:
    """Return the metrics of one head's scores.

    A name without a slash is for the log line. Names with slashes are details: for TensorBoard
    and the file of metrics (see ``mmselfsup.core.hooks.eval_hook``).

    Args:
        scores: [N, C].
        labels: [N], the truth.
        class_names: See ``evaluate_heads``.
        lesions: See ``evaluate_heads``.
        unk_threshold: An image whose highest probability is below counts as ``UNK``; all numbers
            are then about one class more, but ``ece`` and ``melanoma/...`` use the
            probabilities that the network gave. None: no such class, unless the network has one.
        bootstrap: Resamples for the 95 % intervals, drawn by lesion, or by image where no lesion
            is known; 0 leaves them out.

    Returns:
        ``classification_metrics``, and below ``MANY_CLASSES`` ``detailed_metrics``,
        ``interval/<metric>/low`` and ``high`` (``bootstrap_intervals``) with ``interval/by_lesion``
        (1, or 0 where lesions are not known and images were drawn) and ``interval/fewest_lesions``
        (of a class), and where ``UNK`` is a class ``without_UNK/<metric>``:
        ``classification_metrics`` on the known classes alone.
    """
    raw_scores = scores
    scores, named = with_unknown(scores, class_names, unk_threshold)
    numbers = classification_metrics(scores, labels, named)
    if scores.shape[1] >= MANY_CLASSES:
        return numbers
    sources = None if lesions is None else [source_of(lesion) for lesion in lesions]
    if len(set(sources or ())) > MANY_SOURCES:  # ids that name no collection
        sources = None
    probabilities = None if unk_threshold is None else without_threshold(raw_scores, unk_threshold)
    if probabilities is not None:
        numbers["ece"] = expected_calibration_error(probabilities, labels)
    numbers |= detailed_metrics(scores, labels, named, sources, probabilities)
    if bootstrap:
        groups = lesion_keys(lesions)
        intervals = bootstrap_intervals(scores, labels, groups, bootstrap)
        for name, (low, high) in intervals.items():
            numbers |= {f"interval/{name}/low": low, f"interval/{name}/high": high}
        numbers["interval/by_lesion"] = float(any(lesions or ()))
        numbers["interval/fewest_lesions"] = float(fewest_lesions(labels, groups))
    if named and named[-1] == UNKNOWN and (labels < len(named) - 1).any():
        probs, truth, _ = known_only(scores, labels)
        known = classification_metrics(probs, truth, named[:-1])
        numbers |= {f"without_UNK/{name}": value for name, value in known.items()}
    return numbers


def lesion_keys(lesions: Sequence[str] | None) -> list[Hashable] | None:
    """Return a key for each lesion; an image without a lesion id is a lesion of its own."""
    return None if lesions is None else [name or index for index, name in enumerate(lesions)]


def topk_accuracy(
    scores: NDArray[Any], labels: NDArray[np.int64], topk: int | Sequence[int]
) -> dict[int, float]:
    """Return how often the truth is among the k highest scores, in percent; k above C is left out.

    Of equal scores the class with the lower number ranks first, as in ``argmax``.

    Args:
        scores: [N, C].
        labels: [N], 0..C-1.
        topk: One k or several.
    """
    truth = np.take_along_axis(scores, labels[:, None], axis=1)  # [N, 1]
    classes = np.arange(scores.shape[1])
    ahead = (scores > truth) | ((scores == truth) & (classes < labels[:, None]))  # [N, C]
    rank = ahead.sum(axis=1)  # [N], 0 is first
    ks = (topk,) if isinstance(topk, int) else topk
    return {k: 100.0 * float((rank < k).mean()) for k in ks if k <= scores.shape[1]}
