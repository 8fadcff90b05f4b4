"""Samplers that mind classes or groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmselfsup.datasets.samplers import (
    DistributedGroupSampler,
    DistributedSampler,
    GroupSampler,
)

RANKS = st.integers(1, 7)
SEEDS = st.integers(0, 2**40)


def dealt(sampler_class: Any, dataset: Any, ranks: int, *args: Any, **kwargs: Any) -> list[Any]:
    """What each rank gets, as plain integers."""
    samplers = [
        sampler_class(dataset, *args, num_replicas=ranks, rank=rank, **kwargs)
        for rank in range(ranks)
    ]
    parts = [[int(i) for i in sampler] for sampler in samplers]
    assert [len(part) for part in parts] == [len(sampler) for sampler in samplers]
    return parts


def joined(parts: list[list[int]]) -> list[int]:
    """The order over all ranks: they take turns."""
    return [i for turn in zip(*parts, strict=True) for i in turn]


@given(st.lists(st.integers(0, 9), min_size=5, max_size=60), SEEDS, RANKS)
def test_uniform_indices(labels: list[int], seed: int, ranks: int) -> None:
    samplers = [DistributedSampler(labels, ranks, r, seed=seed) for r in range(ranks)]
    for sampler in samplers:
        sampler.set_uniform_indices(labels, 10)
    order = joined([[int(i) for i in s] for s in samplers])[: len(labels)]
    counts = np.bincount([labels[i] for i in order], minlength=10)
    present = counts[np.unique(labels)]
    assert counts.sum() == present.sum()
    assert present.max() - present.min() <= 1


def test_uniform_indices_draw_all_members() -> None:
    labels = [0] * 90 + [1] * 10
    sampler = DistributedSampler(labels, 1, 0)
    sampler.set_uniform_indices(labels, 2)
    drawn = np.bincount([int(i) for _ in range(100) for i in sampler], minlength=100)
    assert drawn.min() > 0
    assert drawn[:90].sum() == drawn[90:].sum() == 5000
    with pytest.raises(ValueError, match="labels must be 100 integers"):
        sampler.set_uniform_indices(labels[:5], 2)
    with pytest.raises(ValueError, match=r"0\.\.0"):
        sampler.set_uniform_indices(labels, 1)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=50), st.integers(1, 6), RANKS, SEEDS)
def test_groups(flags: list[int], batch: int, ranks: int, seed: int) -> None:
    class Flagged(list):
        flag = np.array(flags)

    parts = dealt(DistributedGroupSampler, Flagged(flags), ranks, batch, seed=seed)
    assert set(joined(parts)) == set(range(len(flags)))
    for part in parts:
        for start in range(0, len(part), batch):
            assert len({flags[i] for i in part[start : start + batch]}) == 1
    assert len({len(part) for part in parts}) == 1
    assert sum(map(len, parts)) < len(flags) + 4 * batch + ranks * batch


def test_group_sampler_alone() -> None:
    sampler = GroupSampler(range(10), samples_per_gpu=4)  # no flag: one group
    drawn = [int(i) for i in sampler]
    assert len(drawn) == len(sampler) == 12
    assert sorted(drawn[:12])[0] == 0
    assert set(drawn) == set(range(10))
    assert [int(i) for i in sampler] != drawn
