"""95 % intervals of a mean over folds, seeds and draws of labels, and the p-values beside them.

Over several folds the folds themselves show how much results vary; on one fold the sampling error
of its test images is known, and runs show what seeds and draws add.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, mean, variance

from mmselfsup.metrics.classification import standard_error

from ..records import RunRecord

LEVEL = 0.95
#: What notes say of one fold where ``difference_error`` is not paired.
UNPAIRED = (
    "arms of different studies, and results of older versions, as if they were independent, the "
    "latter by single images"
)
#: What runs of a fold have in common, such as their seed, from their number.
Unit = Callable[[int], Hashable]
#: Runs that share nothing.
EACH_RUN: tuple[Unit, ...] = (lambda number: number,)
# A standard deviation below this part of the largest value, or of 1, is that of rounding: metrics
# are numbers of about 1, and of their differences, which may be near 0, the error stays.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Spread:
    """Half the width of an interval, and the two-sided p-value of a mean of 0; None: not known."""

    half_width: float
    p_value: float | None


def over_folds(means: Sequence[float], test_train_ratio: float) -> Spread:
    """Return the corrected resampled t interval of the mean over J folds, two or more.

    The variance is (1/J + n_test/n_train) S^2 of Nadeau and Bengio (2003), section 3: the training
    sets of the folds overlap, so S^2/J alone would be too small. Folds that agree up to rounding
    have no width and no p-value.

    Args:
        means: A number for each fold.
        test_train_ratio: Test images per training image.
    """
    from scipy.stats import t  # slow to load

    error = math.sqrt((1 / len(means) + test_train_ratio) * _variance(means))
    freedom = len(means) - 1
    tail = 2 * float(t.sf(abs(mean(means)) / error, freedom)) if error else None
    return Spread(float(t.ppf((1 + LEVEL) / 2, freedom)) * error, tail)


def _variance(values: Sequence[float]) -> float:
    """Return the variance of two values or more; 0 if they agree up to rounding."""
    found = variance(values)
    return found if math.sqrt(found) > _ROUNDING * max(1.0, *map(abs, values)) else 0.0


def on_one_fold(
    values: Mapping[int, float], test_error: float, units: Sequence[Unit] = EACH_RUN
) -> Spread:
    """Return the interval of the mean over the runs of one fold.

    The variance is that of the test images plus that of a mean over the runs. As few runs tell the
    latter only roughly, the quantile is that of Student's t, with the degrees of freedom of
    Satterthwaite 1946, "An Approximate Distribution of Estimates of Variance Components".

    Args:
        values: A number for each run, by the number of its seed or draw.
        test_error: Standard error over the test images.
        units: What runs share, such as their seed, or their draw of labels: they are averaged
            first, since they are not independent. Of several units the one with the largest
            variance counts.
    """
    known = test_error**2
    added, freedom = 0.0, 0
    for unit in units:
        members: dict[Hashable, list[float]] = {}
        for number, value in values.items():
            members.setdefault(unit(number), []).append(value)
        means = [mean(each) for each in members.values()]
        if len(means) > 1 and (found := _variance(means) / len(means)) > added:
            added, freedom = found, len(means) - 1
    error, center = math.sqrt(known + added), mean(values.values())
    if not error:
        return Spread(0.0, None)
    if not added:
        normal = NormalDist()
        return Spread(normal.inv_cdf((1 + LEVEL) / 2) * error, 2 * normal.cdf(-abs(center) / error))
    from scipy.stats import t  # slow to load

    freedom_of_sum = (known + added) ** 2 / (added**2 / freedom)
    tail = 2 * float(t.sf(abs(center) / error, freedom_of_sum))
    return Spread(float(t.ppf((1 + LEVEL) / 2, freedom_of_sum)) * error, tail)


def sampling_error(run: RunRecord) -> float:
    """Return the standard error of a balanced accuracy over the test images.

    By their lesions; records of older versions know only the images, which makes it too small.
    """
    return run.errors.get(run.arm, standard_error(run.confusion_matrix))


def difference_error(one: RunRecord, other: RunRecord, same_study: bool = True) -> float:
    """Return the standard error of the difference of two balanced accuracies.

    Arms of one study are compared on the same images; others, and those of older versions, as if
    they were independent, which is rather too large.
    """
    if same_study and other.arm in one.errors and other.arm != one.arm:
        return one.errors[other.arm]
    return math.hypot(sampling_error(one), sampling_error(other))
