"""Seeds of a run, the same on all ranks."""

import os
import random

import numpy as np
import torch

from . import dist
from .errors import UserError

_MAX_SEED = 2**31  # upper limit of drawn seeds


def init_random_seed(seed: int | None = None, device: str | None = "cuda") -> int:
    """Return the given seed, or one drawn by the first rank for all ranks.

    Args:
        seed: A seed, returned unchanged; None to draw one from the operating system.
        device: Not used; accepted for calls written for MMSelfSup 0.x.

    Raises:
        UserError: The generators don't accept the seed.
    """
    if seed is not None:
        if not isinstance(seed, int) or not 0 <= seed < 2**32:
            raise UserError(f"seed {seed}: give a whole number from 0 to {2**32 - 1}")
        return seed
    drawn = int.from_bytes(os.urandom(4), "little") % _MAX_SEED
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
