"""0.x's path of ``Extractor``, which lives in ``mmselfsup.core.clustering``."""

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    """Return ``Extractor``, loaded when asked for: it is of a room above this one."""
    if name != "Extractor":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module("mmselfsup.core.clustering").Extractor
