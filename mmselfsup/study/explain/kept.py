"""Arrays that a stopped run need not make again."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmselfsup.utils.atomic import atomic_write

Arrays = Mapping[str, NDArray[Any]]


def kept(path: Path, origin: Mapping[str, str], make: Callable[[], Arrays]) -> Arrays:
    """Read arrays from a file; make and write them if it isn't there, damaged, or of other origin.

    Args:
        path: A `.npz` file.
        origin: What the arrays come from, such as digests.
        make: Makes them.
    """
    wanted = json.dumps(origin, sort_keys=True)
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["origin"]) == wanted:
                return {name: file[name] for name in file.files if name != "origin"}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        pass  # made anew
    arrays = make()
    with atomic_write(path) as out:
        np.savez_compressed(out, origin=wanted, **arrays)  # type: ignore[arg-type]
    return arrays
