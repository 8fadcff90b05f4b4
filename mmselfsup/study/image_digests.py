"""The content of the images of a study, behind names, sizes and times.

A study looks at names, sizes and times of its images whenever it runs, which takes seconds. An
image may change and keep both size and time (a copy that preserves times, a restored backup). So
the hash of each image is kept in an index when the study first sees it, and ``--verify`` reads all
images again and compares.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from mmselfsup.utils.files import atomic_write_json, file_stamps, sha256
from mmselfsup.utils.plurals import counted
from mmselfsup.utils.progress import progress

INDEX = "image_digests.json"
_THREADS = 8
_MIN_SHOWN = 1000  # images from which on a progress bar is shown


class _Entry(NamedTuple):
    """What the index knows of an image; ``altered``: its content changed, size and time did not."""

    size: int
    mtime_ns: int
    digest: str
    altered: bool


class ImageDigests:
    """An index of the content of images.

    Args:
        path: The file; it is read and written. None: content isn't looked at.
        verify: Whether to read all images again, and not only those of another size or time.
    """

    def __init__(self, path: Path | None = None, verify: bool = False) -> None:
        self._path = path
        self._verify = verify
        self._entries = {} if path is None else _read(path)

    def lines(self, folder: Path, names: Sequence[str]) -> list[str]:
        """Return a line for each image that exists: name, size, time.

        The line of an altered image ends with its hash.
        """
        paths = [os.path.abspath(os.path.join(folder, name)) for name in names]
        stamps = file_stamps(paths)
        there = [i for i, (size, _) in enumerate(stamps) if size >= 0]  # others: another folder's
        if self._path is not None:
            self._update({paths[i]: stamps[i] for i in there})
        return [f"{names[i]} {stamps[i][0]} {stamps[i][1]}{self._end(paths[i])}\n" for i in there]

    def digests(self, folder: Path, names: Sequence[str]) -> list[str]:
        """Return the hash of each image; '' of one that does not exist or can't be read."""
        paths = [os.path.abspath(os.path.join(folder, name)) for name in names]
        stamps = file_stamps(paths)
        self._update({p: stamp for p, stamp in zip(paths, stamps, strict=True) if stamp[0] >= 0})
        empty = _Entry(0, 0, "", False)
        return [self._entries.get(path, empty).digest for path in paths]

    def _end(self, path: str) -> str:
        entry = self._entries.get(path)
        return f" {entry.digest}" if entry is not None and entry.altered else ""

    def _update(self, stamps: Mapping[str, tuple[int, int]]) -> None:
        """Hash the images that the index does not know, or all, and write it."""
        same = {p for p, stamp in stamps.items() if self._entries.get(p, (0, 0))[:2] == stamp}
        todo = [path for path in stamps if self._verify or path not in same]
        altered = []
        for path, digest in zip(todo, _digests(todo), strict=True):
            before = self._entries.get(path) if path in same else None
            changed = before is not None and before.digest != digest
            if changed:
                altered.append(path)
            was = before is not None and before.altered
            self._entries[path] = _Entry(*stamps[path], digest, changed or was)
        if altered:
            print(
                f"{counted(len(altered), 'image has', 'images have')} another content than "
                f"before, although size and time are the same, such as {altered[0]}",
                flush=True,
            )
        if todo and self._path is not None:
            atomic_write_json(self._path, self._entries, indent=None)


def _digests(paths: Sequence[str]) -> list[str]:
    """Return the start of the SHA-256 hash of each file, empty where it can't be read."""
    with ThreadPoolExecutor(_THREADS) as pool:
        results = pool.map(_digest, paths)
        if len(paths) < _MIN_SHOWN:
            return list(results)
        return list(progress(results, desc="content of the images", total=len(paths), unit="img"))


def _digest(path: str) -> str:
    try:
        return sha256(Path(path))[:16]
    except OSError:  # the command that reads it says why
        return ""


def _read(path: Path) -> dict[str, _Entry]:
    """Return the entries of an index; none where it is missing or damaged: it is made again."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        entries = {name: _Entry(*values) for name, values in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
    good = all(
        isinstance(e.size, int) and isinstance(e.mtime_ns, int) and isinstance(e.digest, str)
        for e in entries.values()
    )
    return entries if good else {}
