"""Samplers: which sample comes when, and on which rank."""

from .builder import SAMPLERS, build_sampler
from .class_balanced_sampler import ClassBalancedSampler
from .distributed_sampler import DistributedGivenIterationSampler, DistributedSampler
from .group_sampler import DistributedGroupSampler, GroupSampler

__all__ = [
    "SAMPLERS",
    "ClassBalancedSampler",
    "DistributedGivenIterationSampler",
    "DistributedGroupSampler",
    "DistributedSampler",
    "GroupSampler",
    "build_sampler",
]
