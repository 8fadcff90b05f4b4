"""Mean, spread, and whether a difference between two recipes is more than chance."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist, mean, stdev, variance

from .recipe import Recipe
from .record import RunRecord
from .settings import SCRATCH
from .verdict import standard_error

LEVEL = 0.95
BALANCED = "balanced accuracy"
Metric = Callable[[RunRecord], float | None]


def metrics(classes: Sequence[str]) -> dict[str, Metric]:
    """Give the metrics of a table by name: of the whole test fold, then the recalls."""

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
    """A metric over the runs of a recipe: mean, and standard deviation (None of a single run)."""

    mean: float
    spread: float | None


def summarize(recipe: Recipe, metric: Metric) -> Summary | None:
    """Give mean and spread over folds and seeds; None where no run has the metric."""
    values = [v for v in map(metric, recipe.runs.values()) if v is not None]
    return Summary(mean(values), stdev(values) if len(values) > 1 else None) if values else None


@dataclass(frozen=True)
class Difference:
    """The mean of a difference and half the width of its 95 % interval, if that can be given."""

    mean: float
    half: float | None

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.half is not None and abs(self.mean) > self.half


def difference(first: Recipe, second: Recipe, name: str, metric: Metric) -> Difference | None:
    """Compare two recipes on the folds and seeds that both have; None without any.

    Over several folds: a t interval of the differences of the folds, seeds averaged first, with
    the variance (1/J + n_test/n_train) S^2 of Nadeau and Bengio (2003), section 3, "corrected
    resampled t-test": the training sets of the folds overlap, so S^2/J alone would be too small.
    On one fold: the sampling error of the test images (balanced accuracy only) and the spread
    over seeds added up, normal quantile.
    """
    folds: dict[int, list[float]] = {}
    errors: list[float] = []
    for place in sorted(first.runs.keys() & second.runs.keys()):
        one, other = first.runs[place], second.runs[place]
        a, b = metric(one), metric(other)
        if a is None or b is None:
            continue
        folds.setdefault(place[0], []).append(a - b)
        matrices = one.confusion_matrix, other.confusion_matrix
        errors.append(math.hypot(*map(standard_error, matrices)))
    if not folds:
        return None
    means = [mean(values) for values in folds.values()]
    if len(means) > 1:
        from scipy.stats import t

        square = (1 / len(means) + first.test_share) * variance(means)
        quantile = float(t.ppf((1 + LEVEL) / 2, len(means) - 1))
        return Difference(mean(means), quantile * math.sqrt(square))
    (values,) = folds.values()
    if name != BALANCED:
        return Difference(means[0], None)
    seeds = variance(values) / len(values) if len(values) > 1 else 0.0
    square = mean(error**2 for error in errors) + seeds
    return Difference(means[0], NormalDist().inv_cdf((1 + LEVEL) / 2) * math.sqrt(square))


def best(recipes: Sequence[Recipe], name: str, metric: Metric) -> Recipe | None:
    """Give the recipe that is better than every other, interval included; None if unsure."""
    summaries = [(summarize(recipe, metric), recipe) for recipe in recipes]
    known = [(summary.mean, recipe) for summary, recipe in summaries if summary is not None]
    if len(known) < 2:
        return None
    top = max(known, key=lambda pair: pair[0])[1]
    gaps = [difference(top, other, name, metric) for _, other in known if other is not top]
    return top if all(gap is not None and gap.is_clear and gap.mean > 0 for gap in gaps) else None


def scratch_of(recipe: Recipe, recipes: Sequence[Recipe]) -> Recipe | None:
    """Give the training from scratch with the same data and fine-tuning; None for that itself.

    Of each fold and seed it is the run of the same study, where there is one.
    """
    if recipe.arm == SCRATCH:
        return None
    fitting = (r for r in recipes if r.arm == SCRATCH and r.reference == recipe.reference)
    found = next(fitting, None)
    return found and replace(found, runs={**found.runs, **recipe.own_scratch})
