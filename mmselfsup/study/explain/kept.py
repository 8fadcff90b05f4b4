"""Arrays stored in files, so that a restarted run need not compute them again."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmselfsup.utils.files import atomic_write

Arrays = Mapping[str, NDArray[Any]]


def cached_arrays(path: Path, origin: Mapping[str, str], make: Callable[[], Arrays]) -> Arrays:
    """Return the arrays of a file; compute and write them if it is missing, damaged or stale.

    Args:
        path: A ``.npz`` file.
        origin: What the arrays are computed from, such as digests; the file is stale with another.
        make: Function that computes them.
    """
    wanted = json.dumps(origin, sort_keys=True)
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["origin"]) == wanted:
                return {name: file[name] for name in file.files if name != "origin"}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        pass  # computed again below
    arrays = make()
    with atomic_write(path) as out:
        np.savez_compressed(out, origin=wanted, **arrays)  # type: ignore[arg-type]
    return arrays
