"""The function that builds a sampler from its config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmselfsup.utils.errors import UserError

from .class_balanced_sampler import ClassBalancedSampler
from .distributed_sampler import DistributedSampler

#: The samplers that a config may name.
SAMPLERS: dict[str, type[DistributedSampler]] = {
    "ClassBalancedSampler": ClassBalancedSampler,
    "DistributedSampler": DistributedSampler,
}


def build_sampler(
    config: Mapping[str, Any] | None, dataset: Any, num_replicas: int, rank: int, **options: Any
) -> DistributedSampler:
    """Return a sampler built from its config.

    Args:
        config: ``type``, one of ``SAMPLERS``, and its options; None gives a ``DistributedSampler``.
        dataset: The dataset to sample from.
        num_replicas: Number of ranks.
        rank: This rank.
        **options: Defaults for options: ``shuffle``, ``replace``, ``seed``.

    Raises:
        UserError: The type or an option is not known.
    """
    own_options = dict(config or {})
    name = own_options.pop("type", "DistributedSampler")
    if name not in SAMPLERS:
        raise UserError(f"data.sampler: {name!r} is none of {', '.join(SAMPLERS)}")
    try:
        return SAMPLERS[name](dataset, num_replicas, rank, **{**options, **own_options})
    except TypeError as error:
        raise UserError(f"data.sampler: {error}") from error
