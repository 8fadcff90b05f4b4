"""Opening the cache of a data source, and writing the images that it lacks."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write, atomic_write_text

from .store import ImageStore, list_checksum, read_index, used_bytes
from .write import append_missing, file_stamp

_VERSION = 1  # of the format; caches of another version are not read
_NUM_CHECKED = 256  # files whose size and time are compared when a cache is opened


def open_cache(source: Any, dir: str, short_side: int | None = 256) -> ImageStore:
    """Return the cache of a data source, after writing the images that it lacks.

    One process of a machine writes, the others wait for it. Sources with the same data folder and
    settings share a cache, whatever their lists: the folds of a cross-validation need one copy.

    Args:
        source: The data source; it has read its list.
        dir: Folder of all caches, on a local disk.
        short_side: Images are shrunk (as ``Resize`` does) until their shorter side has this many
            pixels; None leaves them as they are. Smaller images are never enlarged.

    Raises:
        UserError: The folder can't be written, an image can't be read (with ``on_error='raise'``),
            or image files changed since they were cached.
    """
    if short_side is not None and (not isinstance(short_side, int) or short_side < 1):
        raise UserError(f"cache.short_side is {short_side!r}: give pixels from 1, or None")
    prefix = source.data_prefix
    settings = {
        "version": _VERSION,
        "images": os.path.abspath(prefix) if source.reader.on_disk else prefix,
        "short_side": short_side,
        "color_type": source.reader.color_type,
        "channel_order": source.reader.channel_order,
    }
    text = json.dumps(settings, indent=2, sort_keys=True) + "\n"
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    folder = Path(dir).expanduser() / f"{Path(prefix).name or 'images'}-{key}"
    names = [str(info["img_info"]["filename"]) for info in source.data_infos]
    rows_file = folder / f"list-{list_checksum(names)}.npy"
    if not rows_file.exists():
        with _locked(folder):
            if not rows_file.exists():  # another process may have written it meanwhile
                atomic_write_text(folder / "settings.json", text)
                rows = append_missing(folder, source, names, short_side)
                with atomic_write(rows_file) as file:
                    np.save(file, rows)
    store = ImageStore(folder, _read_rows(rows_file, names))
    _check_files(store, source)
    logging.getLogger("mmselfsup").info(
        "cache: %d images, %.2f GB, in %s", len(store), store.num_bytes() / 1e9, folder
    )
    return store


def _read_rows(path: Path, names: Sequence[str]) -> NDArray[np.int64]:
    """Return the record numbers of a list; an error where the cache lacks some of them."""
    index = read_index(path.parent)
    try:
        rows: NDArray[np.int64] = np.load(path)
        complete = len(rows) == len(names) and rows.max(initial=-1) < len(index)
        complete = complete and (path.parent / "pixels.bin").stat().st_size >= used_bytes(index)
    except (OSError, ValueError):
        complete = False
    if not complete:
        raise UserError(f"cache: {path.parent} is damaged; remove this folder")
    return rows


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a cache inside the block.

    The system releases it when the process ends, however it ends: a killed run leaves no lock.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / "lock", "w")  # noqa: SIM115
    except OSError as error:
        raise UserError(
            f"cache: can't write {folder}: {error.strerror}; check cache.dir"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logging.getLogger("mmselfsup").info("cache: another process writes %s", folder)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _check_files(store: ImageStore, source: Any) -> None:
    """Check that files spread over the list have the size and time that were cached."""
    for idx in np.linspace(0, len(store) - 1, min(_NUM_CHECKED, len(store))).astype(int):
        record = store.records[idx]
        cached, stamp = (
            (int(record["file_size"]), int(record["mtime"])),
            file_stamp(source.path(idx)),
        )
        if cached != stamp and -1 not in (*cached, *stamp):  # -1: there was or is no file
            raise UserError(
                f"cache: {source.path(idx)} was changed after it was cached; remove {store.folder}"
            )
