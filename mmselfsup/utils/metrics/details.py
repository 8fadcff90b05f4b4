"""All metrics of a classifier, by class and by source. Letters: N samples, C classes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .calibration import expected_calibration_error
from .inputs import checked
from .one_class import one_against_rest
from .summary import classification_metrics

MELANOMA = "MEL"


def detailed_metrics(
    scores: ArrayLike,
    labels: ArrayLike,
    class_names: Sequence[str] | None = None,
    sources: Sequence[str] | None = None,
    raw_probs: ArrayLike | None = None,
) -> dict[str, float]:
    """Measure every class against the rest, and everything again for each source.

    Predictions are the class with the highest score; melanoma is also measured as the
    challenge measures a single diagnosis: predicted where its probability is above 0.5.

    Args:
        scores: [N, C], logits or probabilities.
        labels: [N], integers 0..C-1.
        class_names: C names; the class numbers if not given.
        sources: N names of the collections of the samples.
        raw_probs: [N, C], the probabilities for the comparison with 0.5 and for the calibration,
            where these are not those of ``scores``, see ``without_threshold``.

    Returns:
        Names have slashes, see ``nested``: ``per_class/<class>/<metric>`` (metrics of
        ``one_against_rest``), ``macro/<metric>`` (their mean over the classes that have it),
        ``melanoma/<metric>`` where a class is called ``MEL``, and ``source/<source>/<...>``: all of
        these, ``num_samples``, and the numbers of ``classification_metrics`` except the recalls,
        for the samples of a source.
    """
    probs, truth = checked(scores, labels)
    predicted = np.asarray(scores).argmax(axis=1)  # [N]
    names = [str(i) for i in range(probs.shape[1])] if class_names is None else list(class_names)
    raw = probs if raw_probs is None else np.asarray(raw_probs)
    numbers = _of_classes(probs, truth, predicted, names, raw)
    for source in sorted(set(sources or ())):
        chosen = np.array([name == source for name in sources or ()])
        numbers[f"source/{source}/num_samples"] = float(chosen.sum())
        with warnings.catch_warnings():  # a source need not have all classes
            warnings.simplefilter("ignore")
            part = classification_metrics(np.asarray(scores)[chosen], truth[chosen], names, True)
        part = {key: value for key, value in part.items() if not key.startswith("recall_")}
        part |= _of_classes(probs[chosen], truth[chosen], predicted[chosen], names, raw[chosen])
        if raw_probs is not None:
            part["ece"] = expected_calibration_error(raw[chosen], truth[chosen])
        numbers.update({f"source/{source}/{key}": value for key, value in part.items()})
    return numbers


def _of_classes(
    probs: Any, truth: Any, predicted: Any, names: Sequence[str], raw: Any
) -> dict[str, float]:
    """Measure every class against the rest, their means, and melanoma (by ``raw``)."""
    table = {
        name: one_against_rest(probs[:, c], truth == c, predicted == c)
        for c, name in enumerate(names)
    }
    numbers = {f"per_class/{n}/{key}": v for n, row in table.items() for key, v in row.items()}
    for key in next(iter(table.values())):
        values = np.array([row[key] for row in table.values()])
        values = values[~np.isnan(values)]
        numbers[f"macro/{key}"] = float(values.mean()) if len(values) else float("nan")
    if MELANOMA in names:
        column = raw[:, list(names).index(MELANOMA)]
        alone = one_against_rest(column, truth == names.index(MELANOMA), column > 0.5)
        numbers.update({f"melanoma/{key}": value for key, value in alone.items()})
    return numbers


def nested(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested dicts for names with slashes: ``a: {b: 1}`` for ``a/b: 1``."""
    tree: dict[str, Any] = {}
    for name, value in numbers.items():
        *folders, leaf = name.split("/")
        place = tree
        for folder in folders:
            place = place.setdefault(folder, {})
        place[leaf] = value
    return tree
