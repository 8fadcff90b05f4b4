"""The files of a cache, and the access to their images.

A folder holds the images of one data folder with one setting, for any number of lists:

- ``settings.json``: a description of the images, for a human reader;
- ``pixels.bin``: the bytes of the images, one after the other; new images are appended;
- ``index.bin``: a record (``RECORD``) for each image, appended after its bytes are on the disk;
- ``list-<checksum>.npy``: the record number of each image of one list; written when all are cached;
- ``lock``: locked by the process that writes.

Letters: N images of a list, H, W, C of an image.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..pipelines.pixels import Pixels

NAME_BYTES = 16

#: The index entry of an image; ``channels`` is 0 where it could not be read, ``file_size`` and
#: ``mtime`` (ns) are those of its file, -1 where it has none.
RECORD = np.dtype(
    [
        ("name", f"V{NAME_BYTES}"), ("offset", "<i8"), ("height", "<i4"), ("width", "<i4"),
        ("channels", "<i4"), ("file_size", "<i8"), ("mtime", "<i8"),
    ],
    align=True,
)  # fmt: skip


def name_digest(name: str) -> bytes:
    """Return a digest of an image's name in 16 bytes."""
    return hashlib.blake2b(name.encode(), digest_size=NAME_BYTES).digest()


def list_checksum(names: Sequence[str]) -> str:
    """Return a checksum of a list of names and its order."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:32]


def read_index(folder: Path) -> NDArray[Any]:
    """Return all complete records of the index; one that was cut off by a crash is left out."""
    path = folder / "index.bin"
    data = path.read_bytes() if path.exists() else b""
    return np.frombuffer(data, RECORD, count=len(data) // RECORD.itemsize)


def used_bytes(index: NDArray[Any]) -> int:
    """Return how many bytes of ``pixels.bin`` belong to images of the index."""
    return int(index["offset"][-1] + num_bytes(index[-1])) if len(index) else 0


def num_bytes(record: Any) -> int:
    """Return the number of bytes of an image in ``pixels.bin``."""
    return int(record["height"]) * int(record["width"]) * int(record["channels"])


class ImageStore:
    """The images of a list, mapped into memory.

    ``store[i]`` is the image i, uint8 [H, W, 3] or [H, W], RGB: a view of the file, shared by all
    processes of the machine; None where it could not be read when the cache was written.

    Args:
        folder: Folder of the cache.
        rows: [N], the record number of each image of the list.
    """

    def __init__(self, folder: Path, rows: NDArray[np.int64]) -> None:
        self.folder = folder
        self.records = read_index(folder)[rows]  # [N]
        self._pixels: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, i: int) -> Pixels | None:
        _, offset, height, width, channels, _, _ = self.records[i].item()
        if channels == 0:
            return None
        if self._pixels is None:
            # "c": a write changes a private copy of the page, and never the file
            self._pixels = np.asarray(np.memmap(self.folder / "pixels.bin", np.uint8, "c"))
        flat = self._pixels[offset : offset + height * width * channels]
        return flat.reshape((height, width) if channels == 1 else (height, width, channels))

    def num_bytes(self) -> int:
        """Return the number of bytes of all images of the list."""
        sizes = (self.records[k].astype(np.int64) for k in ("height", "width", "channels"))
        height, width, channels = sizes
        return int((height * width * channels).sum())

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pixels": None}  # each process maps the file itself
