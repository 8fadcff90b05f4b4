"""Weights and margins of classes from their number of images. Letters: C classes."""

import torch
from torch import Tensor


def inverse_frequency_weights(counts: Tensor) -> Tensor:
    """Weights proportional to 1/n_c, with mean 1: a class counts the same as any other.

    Args:
        counts: Images of each class, [C], each at least 1.

    Returns:
        [C], adding up to C.
    """
    return _mean_one(1.0 / counts.double()).float()


def effective_number_weights(counts: Tensor, beta: float = 0.999) -> Tensor:
    """Weights proportional to 1/E_c, E_c = (1 - beta^n_c) / (1 - beta), with mean 1.

    Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019, equations 2
    and 11, scaled as in section 4. beta = 0 weighs all classes alike; towards 1 the weights become
    those of ``inverse_frequency_weights``.

    Args:
        counts: Images of each class, [C], each at least 1.
        beta: At least 0 and below 1; the paper takes 0.9, 0.99, 0.999 or 0.9999.

    Returns:
        [C], adding up to C.

    Raises:
        ValueError: Beta is out of range.
    """
    if not 0 <= beta < 1:
        raise ValueError(f"beta must be at least 0 and below 1, got {beta}")
    # expm1 and log1p: 1 - beta^n loses all digits where beta is nearly 1
    log_beta = torch.tensor(beta, dtype=torch.float64).log()
    return _mean_one((1.0 - beta) / -torch.expm1(counts.double() * log_beta)).float()


def ldam_margins(counts: Tensor, max_margin: float = 0.5) -> Tensor:
    """Margins proportional to n_c^(-1/4), the largest of which is ``max_margin``.

    Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss", NeurIPS
    2019, equation 13.

    Args:
        counts: Images of each class, [C], each at least 1.
        max_margin: Margin of the rarest class.

    Returns:
        [C].
    """
    margins = counts.double() ** -0.25
    return (margins * (max_margin / margins.max())).float()


def log_prior(counts: Tensor) -> Tensor:
    """Logarithm of the share of each class: [C] -> [C]."""
    shares = counts.double() / counts.sum()
    return shares.log().float()


def _mean_one(weights: Tensor) -> Tensor:
    return weights * (len(weights) / weights.sum())
