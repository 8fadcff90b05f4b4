"""The signs of collapse of one moment, and the verdict. Letters: M samples, D width."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .collapse import effective_rank, feature_std, uniformity

#: Below this share of 1 / sqrt(D), the deviation of features that point in all directions, ...
MIN_SPREAD = 0.05
#: ... or below this effective rank, features count as collapsed.
MIN_RANK = 1.1
#: Least effective rank of projections as a share of the largest they could have.
MIN_SHARE = 0.05


@dataclass(frozen=True)
class CollapseSigns:
    """What the features of one moment look like.

    Attributes:
        std: see :func:`.collapse.feature_std`.
        rank: see :func:`.collapse.effective_rank`.
        uniformity: see :func:`.collapse.uniformity`.
        alignment: see :func:`.collapse.alignment`; None without pairs of views.
        width: D.
        projection_spread: ``spread`` of what the method compares, the outputs of its projector for
            views; None where there is none.
        projection_rank: effective rank of the same.
        projection_limit: the largest rank they could have, the smaller side of [2 P, D'].
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
        """The deviation as a share of 1 / sqrt(D): 0 for a constant output, at most 1."""
        return self.std * self.width**0.5

    def numbers(self) -> dict[str, float]:
        """What goes into the logs."""
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

    def complaint(self, min_spread: float = MIN_SPREAD, min_rank: float = MIN_RANK) -> str | None:
        """What is wrong, in one line; None for features that tell images apart.

        Args:
            min_spread: least share of 1 / sqrt(D).
            min_rank: least effective rank; projections need ``MIN_SHARE`` of the possible too.
        """
        least = max(min_rank, MIN_SHARE * self.projection_limit)
        for what, spread, rank, wanted in (
            ("features", self.spread, self.rank, min_rank),
            ("projections", self.projection_spread, self.projection_rank, least),
        ):
            # "not >=" is also true for nan.
            if spread is not None and not spread >= min_spread:
                return (
                    f"the {what} hardly differ between images: their deviation is {spread:.1%} of "
                    "that of directions spread evenly"
                )
            if rank is not None and not rank >= wanted:
                return f"the {what} lie in few directions: their effective rank is {rank:.2f}"
        return None


@torch.no_grad()
def collapse_signs(
    features: Tensor, aligned: float | None = None, projections: Tensor | None = None
) -> CollapseSigns:
    """Measure features.

    Args:
        features: [M, D] of M different images, M at least 2.
        aligned: the :func:`.collapse.alignment` of pairs of views, where there are such.
        projections: outputs of the projector [2 P, D'] for both views of P images.

    Raises:
        ValueError: fewer than two samples.
    """
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"features must be [M, D] with M >= 2, got {tuple(features.shape)}")
    width = features.shape[1]
    spread, rank, limit = None, None, 0
    if projections is not None:
        spread = _measured(feature_std, projections) * projections.shape[1] ** 0.5
        rank = _measured(effective_rank, projections)
        limit = min(projections.shape)
    return CollapseSigns(
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
    """A number, nan for features that are not finite."""
    return float(measure(features)) if bool(torch.isfinite(features).all()) else float("nan")
