"""Results of a model for a data set, on any number of ranks.

Each sample is used once, in the order of the data set, whatever the loader's sampler, ``shuffle``
and ``drop_last`` are.
"""

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from . import dist
from .device import default_device, to_device
from .gather import RowBuffer, joined_rows
from .memory_allocator import keep_freed_memory
from .module import in_eval_mode, module_device, unwrap
from .progress import progress
from .sharding import passes_are_joint

Arrays = dict[str, NDArray[Any]]
# The parts of the loaders of this rank; with persistent workers, these stay alive between calls.
_shards: "WeakKeyDictionary[Any, Any]" = WeakKeyDictionary()


def collect_results(model: nn.Module, loader: DataLoader[Any]) -> Arrays:
    """Call ``model(mode='test', **batch)`` in eval mode without gradients for all samples.

    Args:
        model: Bare or wrapped; it is called without its wrapper, so ranks may have different
            numbers of batches. Where it is sharded, all ranks call it equally often.
        loader: Loader that sets the data set, the batch size and the workers.

    Returns:
        For every key of the model's results an array [len(loader.dataset), ...], on every rank.
    """
    module = unwrap(model)
    with in_eval_mode(module):
        return _collect(partial(module, mode="test"), loader, device=module_device(module))


def nondist_forward_collect(
    func: Callable[..., Mapping[str, Any]],
    data_loader: DataLoader[Any],
    length: int,
    desc: str = "evaluation",
    everywhere: bool = True,
) -> Arrays:
    """Call ``func(**batch)`` for all samples and join its results.

    Args:
        func: Function that returns a dict of tensors or arrays with one row per sample.
        data_loader: See ``collect_results``.
        length: Number of rows to return, at most the length of the data set.
        desc: Text before the progress bar.
        everywhere: Whether all ranks get the results, or the first one only.
    """
    results = _collect(func, data_loader, desc, everywhere=everywhere)
    return {key: rows[:length] for key, rows in results.items()}


def dist_forward_collect(
    func: Callable[..., Mapping[str, Any]],
    data_loader: DataLoader[Any],
    rank: int,
    length: int,
    ret_rank: int = -1,
    desc: str = "evaluation",
) -> Arrays:
    """Do the same as ``nondist_forward_collect``, and return the result on one or all ranks.

    Args:
        func: Function that returns a dict of tensors or arrays with one row per sample.
        data_loader: See ``collect_results``.
        rank: Number of this process.
        length: Number of rows to return, at most the length of the data set.
        ret_rank: The rank that gets the result, -1 for all; the others get an empty dict.
        desc: Text before the progress bar.
    """
    results = nondist_forward_collect(func, data_loader, length, desc, everywhere=ret_rank != 0)
    return results if ret_rank in (-1, rank) else {}


@torch.no_grad()
def _collect(
    func: Callable[..., Mapping[str, Any]],
    loader: DataLoader[Any],
    desc: str = "evaluation",
    device: torch.device | None = None,
    everywhere: bool = True,
) -> Arrays:
    """Process this rank's part, then join the parts of all ranks in order.

    Without ``everywhere`` only the first rank gets them; the others get an empty dict. On a CPU a
    single process keeps the memory of a batch for the next one: of several, the first one lengthens
    its rows, for which they must lie outside the heap.
    """
    device = device or default_device()
    shard = _shard(loader)
    num_batches = len(shard) if hasattr(shard, "__len__") else 1
    extra = _extra_passes(num_batches)
    own: dict[str, RowBuffer] = {}
    keeps = device.type == "cpu" and dist.get_world_size() == 1
    # The delay: a short evaluation needs no bar.
    for batch in progress(shard, desc=desc, unit="batch", leave=False, delay=2.0):
        for key, value in func(**to_device(batch, device)).items():
            own.setdefault(key, RowBuffer(num_batches)).add(_to_numpy(value))
        if keeps:  # from now on: workers have started, the rows have their place
            keep_freed_memory()
            keeps = False
    for _ in range(extra):
        bare = getattr(loader, "loader", loader)
        func(**to_device(bare.collate_fn([bare.dataset[0]]), device))
    # A rank without samples (fewer samples than ranks) has no keys.
    keys: list[str] = next(filter(None, dist.all_gather_object(list(own))), [])
    if not keys:
        raise ValueError("the data set is empty: nothing to collect")
    parts = {key: own.pop(key, RowBuffer(0)).rows() for key in keys}
    joined = {key: joined_rows(parts.pop(key), everywhere, extend=True) for key in keys}
    return {key: rows for key, rows in joined.items() if rows is not None}


def _extra_passes(num_batches: int) -> int:
    """Return how many passes the rank with the most batches has more, where passes are joint.

    A forward pass of a sharded model gathers its weights from all ranks, so each rank makes as
    many; the results of the further ones are not used. Asked before the first pass: afterwards,
    other ranks may be in one.
    """
    if not passes_are_joint():
        return 0
    return max(dist.all_gather_object(num_batches)) - num_batches


def _shard(loader: Any) -> Any:
    """Return a loader over this rank's contiguous part of the data set, cached for later calls."""
    if loader not in _shards:
        if hasattr(loader, "loader"):  # a wrapper, such as one that moves batches to a GPU
            _shards[loader] = copy.copy(loader)
            _shards[loader].loader = _plain_shard(loader.loader)
        else:
            _shards[loader] = _plain_shard(loader)
    return _shards[loader]


def _plain_shard(loader: DataLoader[Any]) -> DataLoader[Any]:
    """Return a loader over this rank's part of the data set of a bare ``DataLoader``."""
    dataset: Any = loader.dataset
    rank, (size, more) = dist.get_rank(), divmod(len(dataset), dist.get_world_size())
    first = rank * size + min(rank, more)  # the first ranks have one more
    own = range(first, first + size + (rank < more))  # not a list: it may have millions
    workers: dict[str, Any] = {}
    if loader.num_workers:
        workers = {
            "worker_init_fn": loader.worker_init_fn,
            "persistent_workers": loader.persistent_workers,
            "multiprocessing_context": loader.multiprocessing_context,
        }
    return DataLoader(
        Subset(dataset, own),
        batch_size=loader.batch_size or 1,
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
        generator=torch.Generator().manual_seed(0),  # leaves the global generator alone
        **workers,
    )


def _to_numpy(value: Any) -> NDArray[Any]:
    """Return an array with one row per sample; half precision becomes single."""
    if isinstance(value, Tensor):
        value = value.detach()
        return (value.float() if value.is_floating_point() else value).cpu().numpy()
    return np.asarray(value)
