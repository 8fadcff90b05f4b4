"""Samplers: every sample once, parts of equal length, the same order on all ranks for a seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmselfsup.datasets.samplers import (
    DistributedGivenIterationSampler,
    DistributedSampler,
    GroupSampler,
)

SIZES = st.integers(1, 60)
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


@given(SIZES, RANKS, SEEDS, st.booleans())
def test_every_sample_once_and_the_rest_repeats_the_start(
    size: int, ranks: int, seed: int, shuffle: bool
) -> None:
    order = joined(dealt(DistributedSampler, range(size), ranks, seed=seed, shuffle=shuffle))
    assert sorted(order[:size]) == list(range(size))
    assert len(order) - size < ranks
    assert order[size:] == [order[i % size] for i in range(len(order) - size)]
    if not shuffle:
        assert order[:size] == list(range(size))


@given(SIZES, RANKS, SEEDS)
def test_the_order_does_not_depend_on_the_ranks(size: int, ranks: int, seed: int) -> None:
    alone = [(int(i), i.seed) for i in DistributedSampler(range(size), 1, 0, seed=seed)]
    samplers = [DistributedSampler(range(size), ranks, r, seed=seed) for r in range(ranks)]
    turns = zip(*[[(int(i), i.seed) for i in s] for s in samplers], strict=True)
    assert [pair for turn in turns for pair in turn][:size] == alone


@given(st.integers(20, 60), SEEDS, st.integers(0, 5))
def test_epochs_differ_and_come_back(size: int, seed: int, epoch: int) -> None:
    sampler = DistributedSampler(range(size), 1, 0, seed=seed)
    sampler.set_epoch(epoch)
    first = [(int(i), i.seed) for i in sampler]
    second = [(int(i), i.seed) for i in sampler]  # nobody said which: the next epoch
    assert first != second
    fresh = DistributedSampler(range(size), 1, 0, seed=seed)
    fresh.set_epoch(epoch + 1)
    assert [(int(i), i.seed) for i in fresh] == second
    fresh.set_epoch(epoch)
    assert [(int(i), i.seed) for i in fresh] == first
    assert len({seed for _, seed in first + second}) == 2 * size


@given(SIZES, RANKS, SEEDS)
def test_replace(size: int, ranks: int, seed: int) -> None:
    order = joined(dealt(DistributedSampler, range(size), ranks, replace=True, seed=seed))
    assert set(order) <= set(range(size))
    assert len(order) == -(-size // ranks) * ranks


def test_replace_draws_uniformly() -> None:
    sampler = DistributedSampler(range(50), 1, 0, replace=True)
    counts = np.bincount([int(i) for _ in range(400) for i in sampler], minlength=50)
    # 20,000 draws: 400 expected for each, the standard deviation is 20
    assert counts.min() > 300
    assert counts.max() < 500
    assert np.sum((counts - 400) ** 2 / 400) < 95  # chi-square, 49 degrees: mean 49, sd 10
    one_pass = [int(i) for i in sampler]
    assert len(set(one_pass)) < 50
    drawn_twice = [i.seed for i in sampler]
    assert len(set(drawn_twice)) == 50  # the same image is augmented differently


def test_skip_next() -> None:
    sampler = DistributedSampler(range(10), 1, 0, seed=3)
    whole = [(int(i), i.seed) for i in sampler]
    sampler.set_epoch(0)
    sampler.skip_next(4)
    assert [(int(i), i.seed) for i in sampler] == whole[4:]
    assert len(list(sampler)) == 10  # once only


@given(SIZES, st.integers(1, 9), st.integers(1, 5), RANKS, SEEDS)
def test_given_iterations(size: int, iters: int, batch: int, ranks: int, seed: int) -> None:
    args = (iters, batch)
    order = joined(dealt(DistributedGivenIterationSampler, range(size), ranks, *args, seed=seed))
    assert len(order) == iters * batch * ranks
    counts = np.bincount(order, minlength=size)
    assert counts.max() - counts.min() <= 1  # one order after the other
    done = iters // 2
    resumed = dealt(
        DistributedGivenIterationSampler, range(size), ranks, *args, last_iter=done - 1, seed=seed
    )
    assert joined(resumed) == order[done * batch * ranks :]


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match=r"rank must be in 0\.\.1, got 2"):
        DistributedSampler(range(4), num_replicas=2, rank=2)
    with pytest.raises(ValueError, match="empty"):
        DistributedSampler([])
    with pytest.raises(ValueError, match="samples_per_gpu"):
        GroupSampler(range(4), samples_per_gpu=0)


def test_a_known_order_on_any_machine() -> None:
    sampler = DistributedSampler(range(8), 1, 0, seed=0)
    assert [int(i) for i in sampler] == [3, 2, 1, 6, 4, 0, 7, 5]
    sampler.set_epoch(0)
    assert next(iter(sampler)).seed == 2558736989570252433
