"""The regulariser of MSN and PMSN: how often each prototype is predicted. Letters: K prototypes."""

import torch
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

from ..utils.precision import full_precision


def power_law_prior(number: int, exponent: float = 0.0) -> Tensor:
    """Return a distribution over K prototypes in which the k-th has a share of ``k ** -exponent``.

    Assran et al. 2023, "The Hidden Uniform Cluster Prior in Self-Supervised Learning" (PMSN), ICLR.

    Args:
        number: K, at least 1.
        exponent: At least 0; 0 is the uniform distribution.

    Returns:
        [K], float32, falling, with the sum 1.

    Raises:
        ArgumentError: A number is out of range.
    """
    if number < 1 or exponent < 0:
        raise ArgumentError(
            f"num_prototypes must be from 1 and power_law_exponent from 0, got {number} and "
            f"{exponent}"
        )
    shares = torch.arange(1, number + 1, dtype=torch.float64) ** -exponent
    return (shares / shares.sum()).float()


@full_precision
def prior_divergence(mean: Tensor, prior: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence of a mean prediction from a prior.

    For a uniform prior it is ``log K`` minus the entropy of the mean prediction, which Assran et
    al. 2022 (MSN), section 3, maximise; Assran et al. 2023 (PMSN) have any prior.

    Args:
        mean: The mean of all predictions, a distribution [K], all above 0.
        prior: The wanted distribution [K], all above 0.

    Returns:
        A scalar, at least 0; 0 where both are equal.
    """
    return (mean * (mean.log() - prior.to(mean.dtype).log())).sum()
