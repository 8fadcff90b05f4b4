"""Writing a cache: the images of a list that it lacks are read and appended."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.progress import progress

from ..pipelines.pixels import Pixels
from ..pipelines.resizing import resize, shorter_side
from .store import RECORD, name_digest, read_index, used_bytes

_AT_ONCE = 64  # images that are read before their bytes are forced to the disk
_MAX_THREADS = 8


class Source(Protocol):
    """The part of a data source that the cache uses."""

    on_error: str

    def path(self, idx: int) -> str:
        """Return the path of an image."""

    def uncached_pixels(self, idx: int) -> Any:
        """Return an image: an array, or a PIL image where it has an unusual mode."""


class Read(NamedTuple):
    """An image, and size and time of its file."""

    pixels: Pixels | None  # None: it can't be read
    file_size: int
    mtime: int


def file_stamp(path: str) -> tuple[int, int]:
    """Return size in bytes and time of the last change in ns of a file; -1 where there is none."""
    try:
        stat = os.stat(path)
    except OSError:
        return -1, -1
    return stat.st_size, stat.st_mtime_ns


def read_image(source: Source, idx: int, short_side: int | None) -> Read:
    """Return an image, shrunk where its shorter side is above ``short_side``.

    Raises:
        UserError: It can't be read and the source has ``on_error='raise'``, or its mode is unusual.
    """
    stamp = file_stamp(source.path(idx))
    try:
        pixels = source.uncached_pixels(idx)
    except UserError:
        if source.on_error == "raise":
            raise
        return Read(None, *stamp)
    if not isinstance(pixels, np.ndarray):
        raise UserError(
            f"cache: {source.path(idx)} comes as a PIL image of mode {pixels.mode}; a cache holds "
            "RGB and grey images with 8 bits: set color_type='color' in the data source"
        )
    if short_side is not None and min(pixels.shape[:2]) > short_side:
        height, width = pixels.shape[:2]
        pixels = resize(pixels, shorter_side(height, width, short_side))
    return Read(np.ascontiguousarray(pixels), *stamp)


def append_missing(
    folder: Path, source: Source, names: Sequence[str], short_side: int | None
) -> NDArray[np.int64]:
    """Append the images that the cache lacks; return the record numbers [N] of the list.

    The caller holds the lock. After a crash at any moment, the next call continues after the
    last record.
    """
    index = read_index(folder)
    row_of = {record.tobytes(): row for row, record in enumerate(index["name"])}
    missing: dict[bytes, int] = {}  # name -> position in the list
    digests = [name_digest(name) for name in names]
    for position, digest in enumerate(digests):
        if digest not in row_of:
            missing.setdefault(digest, position)  # an image may be in the list more than once
    if missing:
        row_of |= {digest: len(index) + row for row, digest in enumerate(missing)}
        _append(folder, index, missing, lambda i: read_image(source, i, short_side))
    return np.array([row_of[digest] for digest in digests], dtype=np.int64)


def _append(
    folder: Path, index: NDArray[Any], missing: dict[bytes, int], read: Callable[[int], Read]
) -> None:
    """Append images; the record of an image is written after its bytes are on the disk."""
    offset = used_bytes(index)
    names, bar = list(missing), progress(desc="decode cache", total=len(missing), unit="img")
    with ExitStack() as stack:
        try:
            pixels = stack.enter_context(_open_at(folder / "pixels.bin", offset))
            records = stack.enter_context(_open_at(folder / "index.bin", index.nbytes))
            stack.enter_context(bar)
            for begin, images in _in_groups(list(missing.values()), read):
                rows = np.zeros(len(images), RECORD)
                for i, image in enumerate(images):
                    shape = (0, 0, 0) if image.pixels is None else (*image.pixels.shape, 1)[:3]
                    stamp = (image.file_size, image.mtime)
                    rows[i] = (names[begin + i], offset, *shape, *stamp)
                    if image.pixels is not None:
                        pixels.write(image.pixels.data)
                        offset += image.pixels.nbytes
                # The bytes first: a crash must not leave a record without them.
                _flush_to_disk(pixels)
                records.write(rows.tobytes())
                _flush_to_disk(records)
                bar.update(len(images))
        except OSError as error:
            raise UserError(
                f"cache: can't write into {folder}: {error.strerror}; it needs "
                "height * width * 3 bytes an image (lower short_side, or take another dir)"
            ) from error


def _in_groups(
    positions: Sequence[int], read: Callable[[int], Read]
) -> Iterator[tuple[int, list[Read]]]:
    """Read images in groups with several threads.

    Args:
        positions: Positions of the images in the list.
        read: Reads the image at a position.

    Yields:
        The index in ``positions`` of the group's first image, and its images.
    """
    with ThreadPoolExecutor(min(_MAX_THREADS, os.cpu_count() or 1)) as pool:
        for begin in range(0, len(positions), _AT_ONCE):
            yield begin, list(pool.map(read, positions[begin : begin + _AT_ONCE]))


def _open_at(path: Path, size: int) -> Any:
    """Return a file opened for writing after its first ``size`` bytes; what follows is deleted."""
    file = open(path, "r+b" if path.exists() else "w+b")  # noqa: SIM115
    file.truncate(size)
    file.seek(size)
    return file


def _flush_to_disk(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
