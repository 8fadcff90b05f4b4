"""Mean, standard deviation, and whether two groups of runs differ by more than chance."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist, mean, stdev, variance

from mmselfsup.metrics.classification import standard_error

from .recipe import RunGroup
from .record import RunRecord
from .settings import SCRATCH

LEVEL = 0.95
BALANCED = "balanced accuracy"
Metric = Callable[[RunRecord], float | None]


def metrics(classes: Sequence[str]) -> dict[str, Metric]:
    """Return the metrics of a table by name: of the whole test fold, then the recalls."""

    def recall(name: str) -> Metric:
        return lambda run: run.recall.get(name)

    return {
        BALANCED: lambda run: run.balanced_accuracy,
        "accuracy": lambda run: run.accuracy,
        "macro AUC": lambda run: run.macro_auc,
        **{name: recall(name) for name in classes},
    }


@dataclass(frozen=True)
class Summary:
    """A metric over the runs of a group: mean, and standard deviation (None for a single run)."""

    mean: float
    std: float | None


def summarize(group: RunGroup, metric: Metric) -> Summary | None:
    """Return mean and standard deviation over folds and seeds; None if no run has the metric."""
    values = [v for v in map(metric, group.runs.values()) if v is not None]
    return Summary(mean(values), stdev(values) if len(values) > 1 else None) if values else None


@dataclass(frozen=True)
class Difference:
    """The mean of a difference and half the width of its 95 % interval; None: unknown."""

    mean: float
    half_width: float | None

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.half_width is not None and abs(self.mean) > self.half_width


def difference(first: RunGroup, second: RunGroup, name: str, metric: Metric) -> Difference | None:
    """Compare two groups on the folds and seeds that both have; None without any.

    Over several folds: a t interval of the differences of the folds, seeds averaged first, with
    the variance (1/J + n_test/n_train) S^2 of Nadeau and Bengio (2003), section 3, "corrected
    resampled t-test": the training sets of the folds overlap, so S^2/J alone would be too small.
    On one fold: the variance of the mean over seeds plus the sampling variance of the test images
    (balanced accuracy only), normal quantile.
    """
    folds: dict[int, list[float]] = {}
    errors: list[float] = []
    for fold_seed in sorted(first.runs.keys() & second.runs.keys()):
        one, other = first.runs[fold_seed], second.runs[fold_seed]
        a, b = metric(one), metric(other)
        if a is None or b is None:
            continue
        folds.setdefault(fold_seed[0], []).append(a - b)
        # As if independent: errors on the same images correlate, so this is rather too large.
        matrices = one.confusion_matrix, other.confusion_matrix
        errors.append(math.hypot(*map(standard_error, matrices)))
    if not folds:
        return None
    means = [mean(values) for values in folds.values()]
    if len(means) > 1:
        from scipy.stats import t

        # Nadeau and Bengio's corrected variance: see the docstring.
        square = (1 / len(means) + first.test_train_ratio) * variance(means)
        quantile = float(t.ppf((1 + LEVEL) / 2, len(means) - 1))
        return Difference(mean(means), quantile * math.sqrt(square))
    (values,) = folds.values()
    if name != BALANCED:  # the sampling error of the others is not estimated
        return Difference(means[0], None)
    seeds = variance(values) / len(values) if len(values) > 1 else 0.0
    square = mean(error**2 for error in errors) + seeds
    return Difference(means[0], NormalDist().inv_cdf((1 + LEVEL) / 2) * math.sqrt(square))


def best(groups: Sequence[RunGroup], name: str, metric: Metric) -> RunGroup | None:
    """Return the group whose interval is better than every other group; None if unclear."""
    summaries = [(summarize(group, metric), group) for group in groups]
    known = [(summary.mean, group) for summary, group in summaries if summary is not None]
    if len(known) < 2:  # a single row is not better than another
        return None
    top = max(known, key=lambda pair: pair[0])[1]
    gaps = [difference(top, other, name, metric) for _, other in known if other is not top]
    return top if all(gap is not None and gap.is_clear and gap.mean > 0 for gap in gaps) else None


def scratch_of(group: RunGroup, groups: Sequence[RunGroup]) -> RunGroup | None:
    """Return the training from scratch with the same data and fine-tuning; None for that itself.

    For each fold and seed, the run from scratch of the same study is preferred.
    """
    if group.arm == SCRATCH:
        return None
    matching = (g for g in groups if g.arm == SCRATCH and g.baseline_key == group.baseline_key)
    scratch = next(matching, None)
    return scratch and replace(scratch, runs={**scratch.runs, **group.own_scratch})
