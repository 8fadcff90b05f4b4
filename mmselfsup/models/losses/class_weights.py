"""Weights and margins of classes from their number of images. Letters: C classes.

All functions compute in float64 and return float32 on the device of the counts.
"""

import torch
from torch import Tensor


def inverse_frequency_weights(counts: Tensor) -> Tensor:
    """Return weights proportional to 1/n_c, with mean 1, so that all classes count the same.

    Args:
        counts: Number of images n_c of each class, [C], each at least 1.

    Returns:
        Weights [C], above 0, with a sum of C.
    """
    return _mean_one(1.0 / counts.double()).float()


def effective_number_weights(counts: Tensor, beta: float = 0.999) -> Tensor:
    """Return weights proportional to 1/E_c, E_c = (1 - beta^n_c) / (1 - beta), with mean 1.

    Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019, equations 2
    and 11, scaled as in section 4. beta = 0 gives equal weights; for beta towards 1 the weights
    converge to those of ``inverse_frequency_weights``.

    Args:
        counts: Number of images n_c of each class, [C], each at least 1.
        beta: At least 0 and below 1; the paper uses 0.9, 0.99, 0.999 or 0.9999.

    Returns:
        Weights [C], above 0, with a sum of C.

    Raises:
        ValueError: ``beta`` is out of range.
    """
    if not 0 <= beta < 1:
        raise ValueError(f"beta must be at least 0 and below 1, got {beta}")
    # expm1(n log beta) instead of beta^n - 1, which loses its digits for beta near 1.
    log_beta = torch.tensor(beta, dtype=torch.float64).log()
    return _mean_one((1.0 - beta) / -torch.expm1(counts.double() * log_beta)).float()


def ldam_margins(counts: Tensor, max_margin: float = 0.5) -> Tensor:
    """Return margins proportional to n_c^(-1/4), the largest of which is ``max_margin``.

    Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss", NeurIPS
    2019, equation 13.

    Args:
        counts: Number of images n_c of each class, [C], each at least 1.
        max_margin: Margin of the rarest class, at least 0.

    Returns:
        Margins [C], 0 to ``max_margin``.
    """
    margins = counts.double() ** -0.25
    return (margins * (max_margin / margins.max())).float()


def log_prior(counts: Tensor) -> Tensor:
    """Return the logarithm of each class's fraction of the images, [C], at most 0.

    Args:
        counts: Number of images of each class, [C], each at least 1.
    """
    priors = counts.double() / counts.sum()  # [C]
    return priors.log().float()


def _mean_one(weights: Tensor) -> Tensor:
    """Return weights [C] scaled to a mean of 1."""
    return weights * (len(weights) / weights.sum())
