"""Seeds of a run: the same on all ranks for weights, one of its own for what a rank draws later.

The random state of a process, as tensors and plain values that a checkpoint can hold.
"""

import os
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from . import dist
from .errors import SharedError

#: The largest seed that NumPy takes.
MAX_SEED = 2**32 - 1
_DRAWN = 2**31  # upper limit of drawn seeds
RngState = dict[str, Any]


def init_random_seed(seed: int | None = None, device: str | None = "cuda") -> int:
    """Return the given seed, or one drawn by the first rank for all ranks; a collective.

    Args:
        seed: A seed, returned unchanged; None to draw one from the operating system.
        device: Not used; accepted for calls written for MMSelfSup 0.x.

    Raises:
        UserError: The generators don't accept the seed, or ranks were given different ones.
    """
    # All ranks take part whether they have a seed or not: otherwise one that has none would wait.
    given = dist.all_gather_object(seed)
    if any(other != given[0] for other in given):
        seeds = ", ".join(f"rank {rank} has {other}" for rank, other in enumerate(given))
        raise SharedError(f"seed: {seeds}; start all processes with the same --seed")
    if seed is not None:
        if not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
            raise SharedError(f"seed {seed}: give a whole number from 0 to {MAX_SEED}")
        return seed
    drawn = int.from_bytes(os.urandom(4), "little") % _DRAWN
    return int(dist.broadcast_object(drawn))


def set_random_seed(seed: int, deterministic: bool = False) -> None:
    """Seed Python, numpy and torch (all devices).

    Args:
        seed: Any non-negative integer below 2**32.
        deterministic: Restrict cuDNN to deterministic algorithms, at a cost in speed.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    os.environ["PYTHONHASHSEED"] = str(seed)  # for child processes
    if deterministic:
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False


def set_rank_seed(seed: int) -> None:
    """Let every rank but the first draw other numbers from now on; the first one continues.

    Otherwise negatives, dropout and masks, which a model draws for its own images, would be the
    same on all ranks.

    Args:
        seed: The seed common to all ranks.
    """
    rank = dist.get_rank()
    if rank:
        # Mixed: seed 0 on rank 1 is not seed 1 on rank 0.
        mixed = int(np.random.SeedSequence([seed, rank]).generate_state(1)[0])
        random.seed(mixed)
        np.random.seed(mixed)
        torch.manual_seed(mixed)


def get_rng_state() -> RngState:
    """Return the state of Python's, numpy's and torch's generators (CPU and every visible GPU).

    Returns:
        Tensors, numbers and strings only, so that ``torch.load(weights_only=True)`` reads it.
    """
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)  # type: ignore[misc]
    return {
        "python": {"version": version, "words": torch.tensor(words), "gauss": gauss},
        "numpy": {
            "name": str(name),
            # uint32, for which torch has hardly any operations: int64 holds all values.
            "keys": torch.from_numpy(np.asarray(keys).astype(np.int64)),
            "position": int(position),
            "has_gauss": int(has_gauss),
            "cached": float(cached),
        },
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
    }


def set_rng_state(state: Mapping[str, Any]) -> None:
    """Restore the result of ``get_rng_state``; the state of GPUs that do not exist is ignored."""
    python, numpy = state["python"], state["numpy"]
    random.setstate((python["version"], tuple(python["words"].tolist()), python["gauss"]))
    keys = numpy["keys"].numpy().astype(np.uint32)
    np.random.set_state(
        (numpy["name"], keys, numpy["position"], numpy["has_gauss"], numpy["cached"])
    )
    torch.set_rng_state(state["torch"].cpu())
    if torch.cuda.is_available():
        for index, cuda_state in enumerate(state["cuda"][: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(cuda_state.cpu(), index)


@contextmanager
def rng_untouched() -> Iterator[RngState]:
    """Yield the random state, and restore it at the end of the block."""
    state = get_rng_state()
    try:
        yield state
    finally:
        set_rng_state(state)
