"""Metrics of collapse: whether features and projections still distinguish images.

A joint-embedding method may collapse in its features or only in the projections that its loss
compares, so both are measured. ``collapse_metrics`` computes the numbers of one measurement;
``CollapseMetrics.collapse_reason`` compares them with the thresholds.

Letters: M samples, D width, P pairs, N images.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmselfsup.models.utils import pooled
from mmselfsup.models.utils.precision import to_float32
from mmselfsup.utils.device import to_device
from mmselfsup.utils.module import module_device

#: Below this fraction of 1 / sqrt(D), the deviation of features that point in all directions, ...
MIN_SPREAD = 0.05
#: ... or below this effective rank, features count as collapsed.
MIN_RANK = 1.1
#: Least effective rank of projections as a fraction of the largest they could have.
MIN_RANK_FRACTION = 0.05
_MAX_PAIRS = 128


def feature_std(features: Tensor) -> Tensor:
    """Return the deviation of L2-normalised features over the samples, averaged over the width.

    Chen and He 2021, "Exploring Simple Siamese Representation Learning", section 4.1: 0 for a
    constant output, about 1 / sqrt(D) for directions spread evenly over the sphere. Features after
    a ReLU, all positive, reach about half of that.

    Args:
        features: [M, D].

    Returns:
        A tensor of shape [], float64.
    """
    return F.normalize(features.double(), dim=1).std(dim=0, correction=0).mean()


def effective_rank(features: Tensor) -> Tensor:
    """Return how many directions the features use: exp(entropy of the normalised singular values).

    Roy and Vetterli 2007, "The Effective Rank: A Measure of Effective Dimensionality", equations 1
    to 3; here of the L2-normalised features, not centred: 1 for a constant output.

    Args:
        features: [M, D].

    Returns:
        A tensor of shape [], float64, 1 to min(M, D).
    """
    unit = F.normalize(features.double(), dim=1)
    narrow = unit if unit.shape[0] <= unit.shape[1] else unit.t()
    # Squared singular values; ten times faster than the singular value decomposition. Rounding can
    # make zeros slightly negative.
    squares = torch.linalg.eigvalsh(narrow @ narrow.t()).clamp(min=0)  # [min(M, D)]
    fractions = squares.sqrt() / squares.sqrt().sum()
    return torch.special.entr(fractions).sum().exp()


def alignment(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean squared distance of the two views of an image, on the unit sphere.

    Wang and Isola 2020, "Understanding Contrastive Representation Learning through Alignment and
    Uniformity on the Hypersphere", section 4.1, alpha = 2.

    Args:
        first: Features of one view of each image [P, D].
        second: Features of the other view [P, D].

    Returns:
        A tensor of shape [], float64, 0 (the views are the same) to 4.
    """
    difference = F.normalize(first.double(), dim=1) - F.normalize(second.double(), dim=1)
    return difference.square().sum(dim=1).mean()


def uniformity(features: Tensor) -> Tensor:
    """Return the logarithm of the mean of exp(-2 * squared distance) over all pairs on the sphere.

    Wang and Isola 2020, section 4.1, t = 2.

    Args:
        features: Features [M, D], M at least 2.

    Returns:
        A tensor of shape [], float64: 0 for a constant output, about -4 for directions spread
        evenly over a sphere of large D.
    """
    unit = F.normalize(features.double(), dim=1)
    num = len(unit)
    above = torch.triu_indices(num, num, offset=1, device=unit.device)
    # Of unit vectors |a - b|^2 = 2 - 2 ab; rounding can make it slightly negative.
    squares = (2 - 2 * (unit @ unit.t())[above[0], above[1]]).clamp(min=0)  # [M (M - 1) / 2]
    return (-2 * squares).exp().mean().log()


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


def find_projector(model: Any) -> nn.Module | None:
    """Return the neck behind the backbone that is evaluated; None if there is none.

    It is ``model.neck`` (or its target, see ``BaseModel.evaluated``), or the end of the first
    online network of ``model.momentum_pairs()``, a sequence of backbone and neck. Some
    methods have a decoder as their neck.
    """
    if not getattr(model, "neck_projects", True):
        return None
    neck = getattr(model, "neck", None)
    if isinstance(neck, nn.Module):
        return model.evaluated("neck") if hasattr(model, "evaluated") else neck
    pairs = model.momentum_pairs() if hasattr(model, "momentum_pairs") else []
    of_target = getattr(model, "evaluates", "online") == "target"
    network = pairs[0][of_target] if pairs else None
    return network[-1] if isinstance(network, nn.Sequential) and len(network) > 1 else None


def project(model: nn.Module, features: Sequence[Any]) -> Tensor | None:
    """Send features of the backbone through the projector.

    Args:
        model: The model in eval mode.
        features: One entry for each stage, as ``extract_feat`` returns them.

    Returns:
        Projections [N, D], float32 on the CPU: of several outputs (DenseCL) the first, that of
        whole images. None without a projector or if its outputs are not vectors.
    """
    neck = find_projector(model)
    if neck is None:
        return None
    stages: list[Any] = [_wide(feature) for feature in features]
    # A pair of a map and a class token would look like the outputs of two stages.
    output = neck([stages] if getattr(neck, "takes_sizes", False) else stages)
    first = output[0] if isinstance(output, list | tuple) else output
    is_vector = isinstance(first, Tensor) and first.ndim == 2
    return first.float().cpu() if is_vector else None


def _wide(feature: Any) -> Any:
    """Return the features of one stage, of a map and a class token too, as float32."""
    if isinstance(feature, list | tuple):
        return [to_float32(part) for part in feature]
    return to_float32(feature)


def see_views(model: nn.Module, views: tuple[Tensor, Tensor]) -> tuple[float, Tensor | None]:
    """Return the alignment of two views [N, 3, H, W], and the projections of both [2 P, D].

    Args:
        model: The model in eval mode.
        views: Two views of each image; the first 128 images are used.
    """
    device = module_device(model)
    vectors, projected = [], []
    for view in views:
        features = model(to_device(view[:_MAX_PAIRS], device), mode="extract")
        vectors.append(pooled(features[-1]))  # [P, D]
        projected.append(project(model, features))
    known = [p for p in projected if p is not None]
    return float(alignment(*vectors)), torch.cat(known) if known else None
