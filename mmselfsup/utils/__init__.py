"""Helpers that depend neither on models nor on data sets.

The names of MMSelfSup 0.x are loaded at first use, so that a command line can report
errors (``mmselfsup.utils.errors``) without loading torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Functions with the names of their modules. Python binds an imported submodule in its package, and
# __getattr__ is not called for a bound name; so the functions are bound at once.
from .collect_env import collect_env
from .distributed_sinkhorn import distributed_sinkhorn

if TYPE_CHECKING:
    from .alias_multinomial import AliasMethod
    from .batch_shuffle import batch_shuffle_ddp, batch_unshuffle_ddp
    from .collect import dist_forward_collect, nondist_forward_collect
    from .dist_utils import sync_random_seed
    from .extractor import Extractor
    from .gather import concat_all_gather, gather_tensors, gather_tensors_batch
    from .logger import get_root_logger
    from .misc import find_latest_checkpoint
    from .setup_env import setup_multi_processes
    from .test_helper import multi_gpu_test, single_gpu_test

_HOMES = {
    "AliasMethod": "alias_multinomial",
    "Extractor": "extractor",
    "batch_shuffle_ddp": "batch_shuffle",
    "batch_unshuffle_ddp": "batch_shuffle",
    "concat_all_gather": "gather",
    "dist_forward_collect": "collect",
    "find_latest_checkpoint": "misc",
    "gather_tensors": "gather",
    "gather_tensors_batch": "gather",
    "get_root_logger": "logger",
    "multi_gpu_test": "test_helper",
    "nondist_forward_collect": "collect",
    "setup_multi_processes": "setup_env",
    "single_gpu_test": "test_helper",
    "sync_random_seed": "dist_utils",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module at first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


__all__ = [
    "AliasMethod",
    "Extractor",
    "batch_shuffle_ddp",
    "batch_unshuffle_ddp",
    "collect_env",
    "concat_all_gather",
    "dist_forward_collect",
    "distributed_sinkhorn",
    "find_latest_checkpoint",
    "gather_tensors",
    "gather_tensors_batch",
    "get_root_logger",
    "multi_gpu_test",
    "nondist_forward_collect",
    "setup_multi_processes",
    "single_gpu_test",
    "sync_random_seed",
]
