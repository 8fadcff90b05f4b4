"""What a command left, as values that ``==`` compares."""

from __future__ import annotations

import json
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

_RESUMED = re.compile(r"^resume_from = .*$", re.MULTILINE)
#: In the records of steps, the hash of a checkpoint, which holds ``env_info``.
_WEIGHTS = re.compile(r"sha256:\w+ of settings \w+")
#: Keys of JSON files and of checkpoints that hold times, or machine and code of one call.
TIMES = ("seconds", "date", "env_info", "mtime_ns")
TEMPORARY = "temporary"


def files_of(folder: Path, *skipped: str) -> dict[str, Any]:
    """Return the contents of all files below a folder, by their names.

    Left out are ``TIMES`` in JSON files and checkpoints, which checkpoint was resumed, and the
    checksums of checkpoints in the records of steps. Of a temporary file only the place counts:
    its name is random.

    Args:
        folder: The folder.
        *skipped: Patterns of names of files whose contents do not count, as they hold times.
    """
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_dir() or any(path.match(pattern) for pattern in skipped):
            continue
        elif is_temporary(path):
            found[f"{path.parent.relative_to(folder)}/.*"] = TEMPORARY
        else:
            found[name] = content_of(path, folder.name)
    return found


def is_temporary(path: Path) -> bool:
    """Return whether a name is that of an unfinished file of ``atomic_write``."""
    return re.fullmatch(r"\..*\.[a-z0-9_]{8}", path.name) is not None


def content_of(path: Path, out: str) -> Any:
    """Return the content of a file without times; ``out`` is the name of the output folder."""
    if path.suffix == ".pth" and zipfile.is_zipfile(path):  # not one of a stub
        return plain(torch.load(path, weights_only=True), out)
    if path.suffix == ".npz":
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        return {name: (str(a.dtype), a.shape, a.tobytes()) for name, a in arrays.items()}
    if path.suffix == ".json" and not path.name.endswith(".log.json"):
        facts = json.loads(path.read_text())
        if path.name == ".step.json":  # a checkpoint has ``env_info``
            facts["outputs"] = {
                name: output if not name.endswith(".pth") else "checkpoint"
                for name, output in facts["outputs"].items()
            }
        return plain(facts, out)
    if path.suffix == ".py":  # the config of a run
        return plain(path.read_text(), out)
    return path.read_bytes()


def plain(value: Any, out: str) -> Any:
    """Return values that ``==`` compares (nan equals nan), without the name of the folder."""
    if isinstance(value, dict):
        return {key: plain(item, out) for key, item in value.items() if key not in TIMES}
    if isinstance(value, list | tuple):
        return [plain(item, out) for item in value]
    if isinstance(value, Tensor):
        return (str(value.dtype), tuple(value.shape), value.numpy().tobytes())
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, str):  # the config in a checkpoint says what the run was resumed from
        return _WEIGHTS.sub("WEIGHTS", _RESUMED.sub("", value.replace(out, "OUT")))
    return value


def differences(one: Any, two: Any, where: str = "") -> list[str]:
    """Return where two results differ, with both values where they are short."""
    if isinstance(one, dict) and isinstance(two, dict):
        names = sorted({*one, *two}, key=str)
        parts = [differences(one.get(n), two.get(n), f"{where}/{n}") for n in names]
        return [line for part in parts for line in part]
    if isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        parts = [
            differences(*pair, f"{where}/{i}") for i, pair in enumerate(zip(one, two, strict=True))
        ]
        return [line for part in parts for line in part]
    return [] if one == two else [f"{where}: {str(one)[:60]} != {str(two)[:60]}"]
