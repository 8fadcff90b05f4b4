"""The metrics of collapse of one measurement, and their thresholds.

Letters: M samples, D width, P pairs of views.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .collapse import effective_rank, feature_std, uniformity

#: Below this fraction of 1 / sqrt(D), the deviation of features that point in all directions, ...
MIN_SPREAD = 0.05
#: ... or below this effective rank, features count as collapsed.
MIN_RANK = 1.1
#: Least effective rank of projections as a fraction of the largest they could have.
MIN_RANK_FRACTION = 0.05


@dataclass(frozen=True)
class CollapseMetrics:
    """The metrics of collapse of one measurement.

    Attributes:
        std: See ``feature_std``.
        rank: See ``effective_rank``.
        uniformity: See ``collapse.uniformity``.
        alignment: See ``collapse.alignment``; None without pairs of views.
        width: The D of the features.
        projection_spread: The ``spread`` of the outputs of the projector for views, which the
            method compares; None without a projector.
        projection_rank: Effective rank of the same outputs.
        projection_limit: The largest rank they could have, the smaller side of [2 P, D'].
    """

    std: float
    rank: float
    uniformity: float
    alignment: float | None
    width: int
    projection_spread: float | None = None
    projection_rank: float | None = None
    projection_limit: int = 0

    @property
    def spread(self) -> float:
        """Return the deviation as a fraction of 1 / sqrt(D): 0 for a constant output, at most 1."""
        return self.std * self.width**0.5

    def numbers(self) -> dict[str, float]:
        """Return the metrics for the logs."""
        named = {
            "feature_std": self.std,
            "feature_spread": self.spread,
            "effective_rank": self.rank,
            "uniformity": self.uniformity,
            "alignment": self.alignment,
            "projection_spread": self.projection_spread,
            "projection_rank": self.projection_rank,
        }
        return {name: value for name, value in named.items() if value is not None}

    def collapse_reason(
        self, min_spread: float = MIN_SPREAD, min_rank: float = MIN_RANK
    ) -> str | None:
        """Return why the features count as collapsed, in one line; None if they don't.

        Args:
            min_spread: Least fraction of 1 / sqrt(D).
            min_rank: Least effective rank; projections also need ``MIN_RANK_FRACTION`` of the
                largest possible one.
        """
        projection_min_rank = max(min_rank, MIN_RANK_FRACTION * self.projection_limit)
        for what, spread, rank, least in (
            ("features", self.spread, self.rank, min_rank),
            ("projections", self.projection_spread, self.projection_rank, projection_min_rank),
        ):
            # "not >=" is also true for nan.
            if spread is not None and not spread >= min_spread:
                return (
                    f"the {what} hardly differ between images: their deviation is {spread:.1%} of "
                    "that of directions spread evenly"
                )
            if rank is not None and not rank >= least:
                return f"the {what} lie in few directions: their effective rank is {rank:.2f}"
        return None


@torch.no_grad()
def collapse_metrics(
    features: Tensor, aligned: float | None = None, projections: Tensor | None = None
) -> CollapseMetrics:
    """Return the metrics of collapse of features.

    Args:
        features: Features [M, D] of M different images, M at least 2.
        aligned: The ``collapse.alignment`` of pairs of views, if there are such pairs.
        projections: Outputs of the projector [2 P, D'] for both views of P images.

    Raises:
        ValueError: There are fewer than two samples.
    """
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"features must be [M, D] with M >= 2, got {tuple(features.shape)}")
    width = features.shape[1]
    spread, rank, limit = None, None, 0
    if projections is not None:
        spread = _measured(feature_std, projections) * projections.shape[1] ** 0.5
        rank = _measured(effective_rank, projections)
        limit = min(projections.shape)
    return CollapseMetrics(
        _measured(feature_std, features),
        _measured(effective_rank, features),
        _measured(uniformity, features),
        aligned,
        width,
        spread,
        rank,
        limit,
    )


def _measured(measure: Callable[[Tensor], Tensor], features: Tensor) -> float:
    """Return the result of ``measure``; nan for features that are not finite."""
    return float(measure(features)) if bool(torch.isfinite(features).all()) else float("nan")
