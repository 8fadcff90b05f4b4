"""The random numbers of the data side: each sample has its own seed.

The augmentation of a sample depends only on ``(seed, epoch, position)``, where the position is its
place in the epoch's order over all ranks. So the augmentations are the same for any number of
workers and, as ranks take turns, of ranks; a new process that resumes at epoch k draws exactly the
numbers of an uninterrupted run, also with persistent workers; and an image that is drawn
twice in an epoch (``replace=True``, ``RepeatDataset``) is augmented differently each time.

The seed reaches the sample in two steps: a sampler of ``mmselfsup.datasets.samplers`` yields a
``SampleIndex``, an integer that carries the seed of its sample; ``SeededDataset``, in which
``build_dataloader`` wraps the dataset, seeds python, numpy and torch with it while the sample is
made and restores their states afterwards.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import torch
from numpy.random.mtrand import get_bit_generator, set_bit_generator
from numpy.typing import NDArray
from torch.utils.data import Dataset

from mmselfsup.utils.signals import shield_worker

_GOLDEN = 0x9E3779B97F4A7C15  # the increment of splitmix64
_MASK_64 = (1 << 64) - 1
_MASK_32 = (1 << 32) - 1


class SampleIndex(int):
    """The index of a sample that also carries the seed of its random numbers (``.seed``)."""

    seed: int

    def __new__(cls, index: int, seed: int) -> SampleIndex:
        self = super().__new__(cls, index)
        self.seed = seed
        return self

    def __reduce__(self) -> tuple[Any, ...]:  # the seed must survive the way to a worker
        return SampleIndex, (int(self), self.seed)


def sample_seeds(seed: int, epoch: int, positions: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return one 64-bit seed for each position, mixed from seed, epoch and position.

    Args:
        seed: Seed of the run.
        epoch: Epoch from 0.
        positions: [N], positions in the epoch's order.

    Returns:
        [N], well mixed (the finaliser of splitmix64, Steele et al. 2014, applied for each part).
    """
    start = _mix(np.array([seed & _MASK_64], dtype=np.uint64))
    start = _mix(start ^ np.uint64(epoch & _MASK_64))  # [1]
    return _mix(start ^ positions.astype(np.uint64))  # [N]


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return each 64-bit value spread over all bits; arithmetic wraps at 2^64 as intended."""
    mixed = values + np.uint64(_GOLDEN)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed python, numpy and torch (CPU) inside the block, and restore their states after it.

    They are restored because with ``workers_per_gpu=0`` the data and the model share a process.
    """
    generator = torch.default_generator
    torch_state, python_state = generator.get_state(), random.getstate()
    numpy_bits = get_bit_generator()
    # numpy and torch's CPU generator each use 32 bits of a seed: give them different halves
    set_bit_generator(_spare_bits())  # cheaper than copying numpy's state out and in again
    np.random.seed(seed & _MASK_32)
    generator.manual_seed(seed >> 32)
    random.seed(seed)
    try:
        yield
    finally:
        generator.set_state(torch_state)
        random.setstate(python_state)
        set_bit_generator(numpy_bits)


_SPARE: list[np.random.MT19937] = []


def _spare_bits() -> np.random.MT19937:
    """Return the generator that replaces numpy's while a sample is made; created once."""
    if not _SPARE:
        _SPARE.append(np.random.MT19937(0))
    return _SPARE[0]


class SeededDataset(Dataset[Any]):
    """A dataset whose samples are made under their own seed; attributes are passed on to it.

    An index without a seed (a plain integer) is passed on as it is.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, idx: int) -> Any:
        if not isinstance(idx, SampleIndex):
            return self.dataset[idx]
        with seeded(idx.seed):
            return self.dataset[int(idx)]

    def __getattr__(self, name: str) -> Any:
        if name == "dataset" or name.startswith("__"):  # not set yet while a worker unpickles
            raise AttributeError(name)
        return getattr(self.dataset, name)


def worker_init_fn(
    worker_id: int, num_workers: int, rank: int, seed: int, nice: int = 0, shielded: bool = False
) -> None:
    """Prepare a worker: its own random numbers, its priority, and no OpenCV threads.

    The seed is for numbers drawn outside a sample, such as in a collate function.

    Args:
        worker_id: Number of the worker in its loader.
        num_workers: Workers of a loader.
        rank: Rank of the process that owns the loader.
        seed: Seed of the run.
        nice: Added to the niceness of the worker, 0 to 19: how much it yields to others.
        shielded: Whether the signals that ask a training to stop are left to the training.
    """
    if shielded:
        shield_worker()
    if nice and hasattr(os, "nice"):
        os.nice(nice)
    worker_seed = (num_workers * rank + worker_id + seed) & _MASK_32
    random.seed(worker_seed)
    np.random.seed(worker_seed)
    torch.default_generator.manual_seed(worker_seed)
    cv2.setNumThreads(0)  # the workers are the parallelism; a forked thread pool may also hang
