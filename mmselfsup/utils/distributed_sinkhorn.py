"""The Sinkhorn-Knopp algorithm over the samples of all ranks.

Caron et al. 2020 (SwAV), section 3.1, equation 3; Cuturi 2013. Letters: N samples of this rank,
K prototypes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

# The package imports this module at once, because its function has the same name; so torch, which
# takes seconds to load, is imported inside the functions.


def distributed_sinkhorn(
    out: Tensor, sinkhorn_iterations: int, world_size: int, epsilon: float
) -> Tensor:
    """Return soft codes that use all prototypes equally.

    All ranks call it together and may pass different numbers of samples, or none. It
    computes with logarithms, so that nothing over- or underflows at a small ``epsilon``.

    Args:
        out: Scores of the samples for the prototypes, [N, K]; half becomes single precision.
        sinkhorn_iterations: Number of alternating normalisations of prototypes and samples.
        world_size: Not used, an argument of 0.x: the samples of the ranks are counted.
        epsilon: Weight of the entropy, above 0; smaller makes sharper codes.

    Returns:
        Codes [N, K], float32 (float64 for such scores); each row sums to 1.

    Difference from 0.x: it reduced the sums over prototypes over the ranks only where one of them
    was 0. Here they always are, so that many ranks compute what one computes on the joined batch.
    """
    import torch

    from . import dist

    scores = out.detach().to(torch.promote_types(out.dtype, torch.float32))  # [N, K]
    log_q = scores / epsilon
    log_total = _log_sum_of_samples(log_q).logsumexp(dim=0)  # []
    num_samples = dist.all_reduce(torch.full_like(log_total, len(out)))  # [], of all ranks
    log_q = log_q - log_total + num_samples.log()
    for _ in range(sinkhorn_iterations):
        log_q = log_q - _log_sum_of_samples(log_q)  # each prototype sums to 1
        log_q = log_q - log_q.logsumexp(dim=1, keepdim=True)  # a code sums to 1
    return log_q.exp()


def _log_sum_of_samples(log_q: Tensor) -> Tensor:
    """Return the logarithm of the sum over the samples of all ranks, [N, K] -> [K]."""
    from . import dist

    # The maximum over all ranks is taken out first: no exponential is above 1.
    own = log_q.amax(dim=0) if len(log_q) else log_q.new_full(log_q.shape[1:], float("-inf"))
    highest = dist.all_reduce(own, "max")  # [K]
    return highest + dist.all_reduce((log_q - highest).exp().sum(dim=0)).log()
