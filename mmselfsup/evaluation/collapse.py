"""Metrics of collapse: whether features still distinguish images.

Letters: M samples, D width, P pairs.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


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
