"""Settings of the C library's memory allocator, for training on a CPU.

Each step asks for the same activations and gradients as the one before. glibc takes large blocks
from the kernel and returns them as soon as they are free, so each step pays for zeroed pages
again. With a heap that is not returned, only the first step does. In a heap, a block that is not
freed fragments the free memory around it; so what outlives the first step, such as the momentum
of the optimizer, must lie outside the heap. Therefore, in this order:

1. ``keep_blocks_apart``, then the first step: its large blocks lie outside the heap;
2. ``keep_freed_memory``, then the other steps: their blocks come from an unfragmented heap.

Both do nothing where the C library is another one, or where the environment already configures
the allocator (``MALLOC_*``, ``GLIBC_TUNABLES``, ``LD_PRELOAD`` with another allocator).
See ``mallopt(3)``.
"""

import ctypes
import os
import platform

_M_TRIM_THRESHOLD = -1  # <malloc.h>
_M_MMAP_THRESHOLD = -3
_M_MMAP_MAX = -4
# Bytes: glibc's initial threshold, which it would otherwise raise during the run.
_LARGE = 128 * 1024


def keep_blocks_apart() -> bool:
    """Take each block of at least 128 KiB from the kernel, until ``keep_freed_memory``.

    Returns:
        Whether the allocator has been configured.
    """
    return _set({_M_MMAP_THRESHOLD: _LARGE})


def keep_freed_memory() -> bool:
    """Take all blocks from the heap, and do not return freed ones to the kernel.

    The cost: memory that is needed once and never again stays with the process.

    Returns:
        Whether the allocator has been configured.
    """
    return _set({_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: -1})


def _set(parameters: dict[int, int]) -> bool:
    """Set parameters of glibc, unless the user has configured the allocator."""
    if platform.libc_ver()[0] != "glibc" or _chosen_by_the_user():
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all(mallopt(parameter, value) for parameter, value in parameters.items())


def _chosen_by_the_user() -> bool:
    """Return whether the environment configures the allocator."""
    return any(
        name.startswith("MALLOC_") or name in ("GLIBC_TUNABLES", "LD_PRELOAD")
        for name in os.environ
    )
