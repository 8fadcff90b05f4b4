"""The index of shards: which bytes of which tar file are which image, in arrays of one file.

The file is a safetensors file, whose arrays are mapped into memory: opening it reads a header, all
processes of a machine share its pages, and an image takes 18 bytes and its name.

Letters: N images, S shards, B bytes of all names, L labels of an image.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from mmselfsup.utils.errors import UserError, one_line
from mmselfsup.utils.files import atomic_write

from .packed import PackedStrings, narrow

#: The name of an index beside its shards.
INDEX_NAME = "index.safetensors"
#: Bytes of a block of a tar file: a member begins at a multiple of it.
BLOCK = 512
_FORMAT = "mmselfsup-shards-1"
_ARRAYS = ("names", "name_bounds", "first", "shard_bytes", "block", "size", "crc", "label")
_OPTIONAL = ("group", "lesion")


class Place(NamedTuple):
    """The bytes of an image: its shard, where they begin and how many they are, their CRC-32."""

    shard: str
    offset: int
    size: int
    crc: int


@dataclass(frozen=True)
class ShardIndex:
    """Names, places and labels of N images in S shards, in the order of the shards.

    Attributes:
        names: N names, as in the folder or list that the shards were made from.
        shards: S file names of tar files.
        first: [S + 1] int64, the first image of each shard, and N.
        shard_bytes: [S] int64, sizes of the shards.
        block: [N] uint32, where the bytes of an image begin, in blocks of 512 bytes.
        size: [N] uint32, how many they are.
        crc: [N] uint32, their CRC-32.
        label: [N], or [N, L] where an image has L labels; integers, -1 for none.
        classes: Names of the classes in the order of their numbers; None where not known.
        groups: N groups, such as patients; None without.
        lesions: N lesions of a table of metadata, '' for one that is not known; None without. Folds
            deal a lesion of one image as that image, and a group of one as that group.
        content: A digest of names, sizes and CRCs.
    """

    names: PackedStrings
    shards: tuple[str, ...]
    first: NDArray[np.int64]
    shard_bytes: NDArray[np.int64]
    block: NDArray[np.uint32]
    size: NDArray[np.uint32]
    crc: NDArray[np.uint32]
    label: NDArray[Any]
    classes: tuple[str, ...] | None = None
    groups: PackedStrings | None = None
    lesions: PackedStrings | None = None
    content: str = ""

    def __len__(self) -> int:
        return len(self.names)

    def place(self, row: int) -> Place:
        """Return where the bytes of an image are."""
        shard = int(np.searchsorted(self.first, row, side="right")) - 1
        offset = int(self.block[row]) * BLOCK
        return Place(self.shards[shard], offset, int(self.size[row]), int(self.crc[row]))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index, completely or not at all.

        Raises:
            UserError: It can't be written.
        """
        arrays = {
            "names": self.names.data,
            "name_bounds": self.names.bounds,
            "first": self.first,
            "shard_bytes": self.shard_bytes,
            "block": self.block,
            "size": self.size,
            "crc": self.crc,
            "label": narrow(self.label),
        }
        for key in _OPTIONAL:
            strings: PackedStrings | None = getattr(self, f"{key}s")
            if strings is not None:
                arrays |= {f"{key}s": strings.data, f"{key}_bounds": strings.bounds}
        facts = {"shards": self.shards, "classes": self.classes, "content": self.digest()}
        with atomic_write(path) as file:
            try:
                save_file(arrays, file.name, {_FORMAT: json.dumps(facts)})  # one key: one order
            except SafetensorError as error:
                raise UserError(f"can't write {path}: {one_line(error)}") from error
            with open(file.name, "rb") as written:
                os.fsync(written.fileno())

    def digest(self) -> str:
        """Return the digest of names, sizes and CRCs, 16 hexadecimal digits."""
        found = hashlib.sha256()
        for array in (self.names.data, np.diff(self.names.bounds), self.size, self.crc):
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()[:16]


def read_index(path: str | os.PathLike[str], name: str | None = None) -> ShardIndex:
    """Return an index, mapped into memory.

    Args:
        path: Its file.
        name: How errors name it; by default by its file.

    Raises:
        UserError: The file is missing, damaged, or no index.
    """
    where = path if name is None else name
    if not Path(path).is_file():
        raise UserError(
            f"{where}: no such index of shards; check index and url, or make it with "
            "tools/data_converters/make_shards.py"
        )
    try:
        # With "pt" the library maps the file; with "numpy" it copies.
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {}).get(_FORMAT, "{}"))
            arrays = {name: file.get_tensor(name).numpy() for name in [*file.keys()]}
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(
            f"{where}: this index is damaged or incomplete ({one_line(error)[:120]}); copy it again"
        ) from error
    if not facts or any(name not in arrays for name in _ARRAYS):
        raise UserError(f"{where} is a safetensors file, but no index of shards")
    return _checked(where, arrays, facts)


def _checked(
    where: str | os.PathLike[str], arrays: dict[str, NDArray[Any]], facts: dict[str, Any]
) -> ShardIndex:
    """Return the index of these arrays.

    Raises:
        UserError: They do not belong together.
    """
    names = PackedStrings(arrays["names"], arrays["name_bounds"])
    shards, classes = facts["shards"], facts["classes"]
    rows = {len(arrays[name]) for name in ("block", "size", "crc", "label")} | {len(names)}
    first = arrays["first"]
    if len(rows) != 1 or len(first) != len(shards) + 1 or int(first[-1]) != len(names):
        raise UserError(f"{where}: the arrays of this index have different lengths; make it again")
    optional = {
        f"{key}s": PackedStrings(arrays[f"{key}s"], arrays[f"{key}_bounds"])
        for key in _OPTIONAL
        if f"{key}s" in arrays
    }
    return ShardIndex(
        names=names,
        shards=tuple(shards),
        first=first,
        shard_bytes=arrays["shard_bytes"],
        block=arrays["block"],
        size=arrays["size"],
        crc=arrays["crc"],
        label=arrays["label"],
        classes=None if classes is None else tuple(classes),
        content=facts["content"],
        **optional,
    )
