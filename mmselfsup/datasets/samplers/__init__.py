"""Samplers: which sample comes when, and on which rank."""

from .distributed_sampler import DistributedGivenIterationSampler, DistributedSampler
from .group_sampler import DistributedGroupSampler, GroupSampler

__all__ = [
    "DistributedGivenIterationSampler",
    "DistributedGroupSampler",
    "DistributedSampler",
    "GroupSampler",
]
