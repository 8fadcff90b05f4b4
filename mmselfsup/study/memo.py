"""Numbers that are slow to compute, kept in a file beside what they are computed from.

A study that is called again only reads its stages' files, but the intervals of large test sets take
a minute for each: they are kept with a key of all that they depend on, and computed again when one
of these has changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from mmselfsup.utils.files import atomic_write_json

from .fingerprint import source_digest

_Value = TypeVar("_Value")


def content_key(*values: Any) -> str:
    """Return a hash of values and of the package's sources.

    Args:
        values: Arrays, by type, shape and content; all others by their ``repr``.
    """
    key = hashlib.sha256(source_digest().encode())
    for value in values:
        if isinstance(value, np.ndarray):
            key.update(f"{value.dtype} {value.shape} ".encode())
            key.update(np.ascontiguousarray(value).data)
        else:
            key.update(f"{value!r} ".encode())
    return key.hexdigest()


def remembered(
    path: Path, key: str, make: Callable[[], Any], read: Callable[[Any], _Value]
) -> _Value:
    """Return what ``path`` keeps under a key; without it, what ``make`` returns, which is kept.

    Args:
        path: The file; one that is damaged or has another key is written anew.
        key: See ``content_key``.
        make: Computes a value of JSON.
        read: Makes the result of the value, whether it was kept or not.
    """
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["key"] == key:
            return read(kept["value"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass  # nothing is kept, or nothing that can be read
    value = make()
    atomic_write_json(path, {"key": key, "value": value})
    return read(json.loads(path.read_text(encoding="utf-8"))["value"])
