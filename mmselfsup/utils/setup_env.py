"""Process settings that a config can name: start method of workers, threads of libraries."""

import multiprocessing
import os
from collections.abc import Mapping
from typing import Any

from .cpus import available_cores, has_quota


def setup_multi_processes(cfg: Mapping[str, Any]) -> None:
    """Set how workers are started and how many threads each process may use.

    Keys of ``cfg``: ``mp_start_method`` (default ``'fork'``), ``opencv_num_threads`` (default 0:
    only the thread of the caller), and ``data.workers_per_gpu``: with more than one worker, OpenMP
    and MKL get ``omp_num_threads`` and ``mkl_num_threads`` (default 1), unless the environment
    sets these. A quota of CPU time limits the threads of PyTorch, which doesn't know of it.

    Raises:
        ValueError: The start method does not exist on this system.
    """
    method = cfg.get("mp_start_method", "fork")
    accepted = multiprocessing.get_all_start_methods()
    if method not in accepted:
        raise ValueError(f"mp_start_method must be one of {accepted}, got {method!r}")
    multiprocessing.set_start_method(method, force=True)

    # After the start method is set, and only where processes are set up: it is slow to load.
    import cv2

    cv2.setNumThreads(cfg.get("opencv_num_threads", 0))

    if has_quota() and "OMP_NUM_THREADS" not in os.environ:
        import torch

        torch.set_num_threads(min(torch.get_num_threads(), available_cores()))

    data = cfg.get("data") or {}
    workers = data.get("train_dataloader", {}).get("workers_per_gpu", data.get("workers_per_gpu"))
    if workers is not None and workers > 1:
        # Several workers with a thread per core each would overload the CPU.
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ.setdefault(name, str(cfg.get(name.lower(), 1)))
