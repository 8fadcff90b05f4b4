"""What the C library does with the memory of a step of a training on a CPU.

Each step asks for the same activations and gradients as the one before. glibc takes large blocks
straight from the kernel and gives them back as soon as they are free, so each step pays for zeroed
pages once more. With a heap that is kept, only the first step does. In a heap, a block that stays
is a wall between the gaps beside it; so what the first step leaves behind, such as the momentum of
the optimizer, has to lie elsewhere. In this order, therefore:

1. :func:`keep_blocks_apart`, then the first step: its large blocks lie outside the heap;
2. :func:`keep_freed_memory`, then the other steps: theirs come from a heap without walls.

Both are left alone where the C library is another one, or where the environment already says how
to allocate (`MALLOC_*`, `GLIBC_TUNABLES`, `LD_PRELOAD` with an allocator of its own).
See `mallopt(3)`.
"""

import ctypes
import os
import platform

_M_TRIM_THRESHOLD = -1  # <malloc.h>
_M_MMAP_THRESHOLD = -3
_M_MMAP_MAX = -4
_LARGE = 128 * 1024  # bytes; glibc's threshold in the beginning, which it would raise by itself


def keep_blocks_apart() -> bool:
    """Take each block of at least 128 KiB straight from the kernel, until the heap is kept.

    Returns:
        Whether it has been set.
    """
    return _set({_M_MMAP_THRESHOLD: _LARGE})


def keep_freed_memory() -> bool:
    """Take all blocks from the heap, and keep freed ones in this process.

    The price: memory that is needed once and never again stays with the process.

    Returns:
        Whether it has been set.
    """
    return _set({_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: -1})


def _set(parameters: dict[int, int]) -> bool:
    """Tell glibc, unless somebody else has said something."""
    if platform.libc_ver()[0] != "glibc" or _chosen_by_the_user():
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all(mallopt(parameter, value) for parameter, value in parameters.items())


def _chosen_by_the_user() -> bool:
    """Whether the environment says something about allocation."""
    return any(
        name.startswith("MALLOC_") or name in ("GLIBC_TUNABLES", "LD_PRELOAD")
        for name in os.environ
    )
