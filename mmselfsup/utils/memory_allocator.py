"""What the C library does with memory that a step of a training has freed."""

import ctypes
import os
import platform

_M_TRIM_THRESHOLD = -1  # <malloc.h>
_M_MMAP_MAX = -4


def keep_freed_memory() -> bool:
    """Keep freed memory in this process, for the next step to use again.

    On a CPU each step asks for the same activations and gradients as the one before. glibc takes
    large blocks straight from the kernel and gives them back as soon as they are free, so each step
    pays for zeroed pages once more; with the heap kept, only the first step does. The price: memory
    that is needed once and never again stays with the process, and gaps between blocks cost a few
    percent. See `mallopt(3)`: M_MMAP_MAX, M_TRIM_THRESHOLD.

    Left alone where the C library is another one, or where the environment already says how to
    allocate (`MALLOC_*`, `GLIBC_TUNABLES`, `LD_PRELOAD` with an allocator of its own).

    Returns:
        Whether it has been set.
    """
    if platform.libc_ver()[0] != "glibc" or _chosen_by_the_user():
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, -1))


def _chosen_by_the_user() -> bool:
    """Whether the environment says something about allocation."""
    return any(
        name.startswith("MALLOC_") or name in ("GLIBC_TUNABLES", "LD_PRELOAD")
        for name in os.environ
    )
