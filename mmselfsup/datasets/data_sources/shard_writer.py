"""Tar files with the images of a data source, in webdataset's layout, and their index.

A sample is the files of one key: the image with its bytes as they are, and ``.cls``, its label as a
decimal number, where it has one. Keys are the names of the images without extension, so that
``tar`` restores the folder; where one of the names can't be a key (a dot in it, a repetition, more
than ASCII or 100 characters), all keys are numbers.

Shards are written one after the other, each completely or not at all, the index last. A run that
was stopped continues: a shard that is there is read again and kept if it has the same images.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmselfsup.utils.errors import UserError, one_line
from mmselfsup.utils.files import (
    atomic_write,
    atomic_write_json,
    file_lock,
    file_stamp,
    remove_leftovers,
)
from mmselfsup.utils.image_names import has_image_extension
from mmselfsup.utils.progress import progress

from .base import BaseDataSource
from .label_cells import NO_LABEL
from .packed import PackedStrings
from .shard_index import BLOCK, INDEX_NAME, ShardIndex

_SETTINGS = "shards.json"
_NAME_BYTES = 100  # of a member of a tar file without further headers
_THREADS = 8
_AT_ONCE = 64  # images that are read before they are written


class Member(NamedTuple):
    """An image in a tar file: name, first byte, size, CRC-32, time in s, label (-1: none)."""

    name: str
    offset: int
    size: int
    crc: int
    mtime: int
    label: int


def make_shards(source: BaseDataSource, folder: Path, images_per_shard: int = 5000) -> ShardIndex:
    """Write the images of a data source to shards ``images-000000.tar``, ..., and their index.

    Args:
        source: The data source; its order, labels, classes, groups and lesions are kept.
        folder: Folder for the shards and ``index.safetensors``.
        images_per_shard: Images of each shard but the last.

    Raises:
        UserError: An image can't be read, the folder has shards of other images, or can't be
            written.
    """
    if images_per_shard < 1:
        raise UserError(f"images per shard: {images_per_shard}; give 1 or more")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with file_lock(folder / "lock"):
            return _make(source, folder, images_per_shard)
    except OSError as error:
        raise UserError(f"can't write {folder}: {error.strerror}; check the folder") from error


def index_shards(paths: Sequence[Path], output: Path) -> ShardIndex:
    """Write the index of tar files that are there, in webdataset's layout.

    The image of a sample is its first member with the extension of an image file; its label is the
    number in ``.cls``, or -1. Names are those of the members, without a ``./`` in front; hidden
    files, such as macOS's ``._x.jpg``, are left out. Names of more than one image are
    reported: a list can't choose among them.

    Args:
        paths: The tar files, in the order of the index; all in one folder.
        output: The index.

    Raises:
        UserError: A file is no tar file, is compressed, or has no image; a label is no number.
    """
    if not paths:
        raise UserError("no tar files to index; check the path")
    if len({path.parent for path in paths}) > 1:
        raise UserError("the shards of an index are in one folder; move them together")
    parts = []
    for path in progress(paths, desc="index", unit="shard"):
        members = read_shard(path)
        if not members:
            raise UserError(f"{path}: no image in this shard; take it out")
        parts.append(members)
    names = PackedStrings.of(m.name for members in parts for m in members)
    _report_repeated(names, paths, parts)
    label = np.array([m.label for members in parts for m in members], np.int64)
    index = _index(names, label, paths, [_columns(members) for members in parts])
    index.save(output)
    return index


def _report_repeated(
    names: PackedStrings, paths: Sequence[Path], parts: Sequence[Sequence[Member]]
) -> None:
    """Log how many images have the name of an earlier one, and the first of them."""
    bounds = np.cumsum([len(members) for members in parts])
    first: dict[str, int] = {}
    rows = names.repeated().tolist()
    again = [row for row in rows if first.setdefault(names[row], row) != row]
    if again:
        name = names[again[0]]
        places = np.searchsorted(bounds, [first[name], again[0]], side="right")
        one, other = (paths[place].name for place in places.tolist())
        logging.getLogger("mmselfsup").warning(
            "%d of %d images have the name of an earlier one, such as %r in %s and %s: a list of "
            "images can't choose between them", len(again), len(names), name, one, other,
        )  # fmt: skip


def read_shard(path: Path) -> list[Member]:
    """Return the images of a tar file, in its order.

    Raises:
        UserError: It is no tar file, is compressed or truncated, or a label is no number.
    """
    images: dict[str, Member] = {}
    labels: dict[str, int] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if not member.isfile():
                    continue
                name = os.path.normpath(member.name)
                head, _, tail = name.rpartition("/")
                if tail.startswith("."):  # macOS puts ._x.jpg beside x.jpg, no image
                    continue
                key = f"{head}/{tail.partition('.')[0]}"
                if tail.endswith(".cls"):
                    labels[key] = _class_number(_content(tar, member))
                elif has_image_extension(tail) and key not in images:
                    data = _content(tar, member)
                    facts = member.offset_data, member.size, zlib.crc32(data), int(member.mtime)
                    images[key] = Member(name, *facts, NO_LABEL)
    except tarfile.TarError as error:
        raise UserError(
            f"{path}: this is no tar file, or it is compressed or truncated ({one_line(error)})"
        ) from error
    except ValueError as error:
        raise UserError(f"{path}: {member.name} is no label ({one_line(error)})") from error
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror or error}") from error
    return [m._replace(label=labels.get(key, NO_LABEL)) for key, m in images.items()]


def _class_number(content: bytes) -> int:
    """Return the number in a file of a label.

    Raises:
        ValueError: It is none.
    """
    if b"_" in content:  # which may be between digits in Python, but not in a number here
        raise ValueError(f"{content!r} is no whole number")
    return int(content)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    data = b"" if file is None else file.read()
    if len(data) != member.size:
        raise tarfile.ReadError(f"{member.name}: {len(data)} of {member.size} bytes")
    return data


def _make(source: BaseDataSource, folder: Path, images_per_shard: int) -> ShardIndex:
    """Write what is missing of the shards, then the index."""
    names = source.image_names()
    if names is None:
        raise UserError(
            f"{type(source).__name__}: its images are no files; give a folder or a list of images"
        )
    packed = names if isinstance(names, PackedStrings) else PackedStrings.of(names)
    labels = source.get_gt_labels()
    groups = [info["group"] for info in source.data_infos if "group" in info]
    lesions = getattr(source, "lesions", None)
    if groups and list(groups) == lesions:  # without metadata the groups stand there
        lesions = None
    _check_settings(folder, _settings(packed, labels, images_per_shard))
    remove_leftovers(folder)
    keys = packed if _are_keys(packed) else None
    paths, columns = [], []
    with progress(desc="shards", total=len(packed), unit="img") as bar:
        for number, first in enumerate(range(0, len(packed), images_per_shard)):
            rows = range(first, min(first + images_per_shard, len(packed)))
            path = folder / f"images-{number:06d}.tar"
            members = _kept(path, source, rows, keys)
            if members is None:
                members = []
                for member in _written(path, source, rows, keys, labels):
                    members.append(member)
                    bar.update()
            else:
                bar.update(len(rows))
            paths.append(path)
            columns.append(_columns(members))
    index = replace(
        _index(packed, labels, paths, columns),
        classes=None if source.CLASSES is None else tuple(source.CLASSES),
        groups=PackedStrings.of(groups) if groups else None,
        lesions=None if lesions is None else PackedStrings.of(lesions),
    )
    index.save(folder / INDEX_NAME)
    return index


def _settings(names: PackedStrings, labels: NDArray[Any], images_per_shard: int) -> dict[str, Any]:
    """Return what tells the shards of one list from those of another."""
    digest = hashlib.sha256()
    for array in (names.data, np.diff(names.bounds), labels):
        digest.update(np.ascontiguousarray(array).data)
    return {
        "images": len(names),
        "images_per_shard": images_per_shard,
        "names_and_labels": digest.hexdigest()[:16],
    }


def _check_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Keep the settings of the shards in the folder.

    Raises:
        UserError: There are shards with other settings.
    """
    path = folder / _SETTINGS
    if path.exists():
        known: Any = None
        with suppress(ValueError):
            known = json.loads(path.read_text(encoding="utf-8"))
        if known != settings:
            raise UserError(
                f"{folder} has shards of other images, labels or images per shard ({_SETTINGS}); "
                "name another folder, or remove it"
            )
    elif any(folder.glob("*.tar")):
        raise UserError(f"{folder} has tar files of something else; name another folder")
    else:
        atomic_write_json(path, settings)


def _are_keys(names: PackedStrings) -> bool:
    """Return whether all names of images may be those of members, each a sample of its own."""
    stems = []
    for name in names:
        head, _, tail = name.rpartition("/")
        stem, _, kind = tail.partition(".")
        ordinary = name.isascii() and name.isprintable() and len(name) <= _NAME_BYTES
        if not (ordinary and stem and kind) or "." in kind or os.path.normpath(name) != name:
            return False
        if name.startswith(("/", "../")):
            return False
        stems.append(f"{head}/{stem}")
    return not len(PackedStrings.of(stems).repeated())


def _member_name(names: PackedStrings | None, source: BaseDataSource, row: int) -> str:
    """Return the name of an image in its shard."""
    if names is not None:
        return names[row]
    name = source.data_infos[row]["img_info"]["filename"]
    return f"{row:09d}{os.path.splitext(name)[1]}"


def _kept(
    path: Path, source: BaseDataSource, rows: range, keys: PackedStrings | None
) -> list[Member] | None:
    """Return the images of a shard of an earlier run; None where it lacks some, or has others."""
    if not path.exists():
        return None
    try:
        members = read_shard(path)
    except UserError:
        return None
    if len(members) != len(rows):
        return None
    for member, row in zip(members, rows, strict=True):
        size, mtime = _stamp(source, row)
        same = member.name == _member_name(keys, source, row)
        if not same or (size >= 0 and (member.size, member.mtime) != (size, mtime)):
            return None
    return members


def _stamp(source: BaseDataSource, row: int) -> tuple[int, int]:
    """Return size and time in s of an image file; -1 and 0 where it is on no disk."""
    size, mtime = file_stamp(source.path(row)) if source.reader.on_disk else (-1, -1)
    return size, max(mtime, 0) // 10**9


def _written(
    path: Path,
    source: BaseDataSource,
    rows: range,
    keys: PackedStrings | None,
    labels: NDArray[Any],
) -> Iterator[Member]:
    """Write a shard; yield its images as they are written, and name the file after the last."""
    with (
        ThreadPoolExecutor(_THREADS) as pool,
        atomic_write(path) as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for first in range(rows.start, rows.stop, _AT_ONCE):
            part = range(first, min(first + _AT_ONCE, rows.stop))
            read = pool.map(lambda row: (_stamp(source, row), _bytes(source, row)), part)
            for row, ((_, mtime), data) in zip(part, read, strict=True):
                name = _member_name(keys, source, row)
                label = int(labels[row]) if labels.ndim == 1 else NO_LABEL
                yield Member(
                    name, _add(tar, name, data, mtime), len(data), zlib.crc32(data), mtime, label
                )
                if label != NO_LABEL:
                    _add(tar, f"{os.path.splitext(name)[0]}.cls", str(label).encode(), mtime)


def _bytes(source: BaseDataSource, row: int) -> bytes:
    """Return the bytes of an image file."""
    try:
        return source.read_bytes(row)
    except OSError as error:
        line = source.data_infos[row].get("line")
        where = f" (line {line} of {source.ann_file})" if line else ""
        raise UserError(
            f"can't read {source.path(row)}{where}: {error.strerror or error}; correct the list or "
            "the folder, then start again: shards that are complete stay"
        ) from error


def _add(tar: tarfile.TarFile, name: str, data: bytes, mtime: int) -> int:
    """Add a file to a tar file; return where its bytes begin."""
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = len(data), mtime, 0o644
    begin = tar.offset
    tar.addfile(info, io.BytesIO(data))
    padded = -(-len(data) // BLOCK) * BLOCK
    if tar.offset != begin + BLOCK + padded:  # a further header would move the bytes
        raise UserError(f"{name!r} can't be the name of a member of a tar file")
    return begin + BLOCK


def _columns(members: Sequence[Member]) -> NDArray[np.uint32]:
    """Return block, size and CRC-32 of images, [3, n]."""
    rows = [(m.offset // BLOCK, m.size, m.crc) for m in members]
    return np.array(rows, np.uint32).reshape(-1, 3).T


def _index(
    names: PackedStrings,
    label: NDArray[Any],
    paths: Sequence[Path],
    columns: Sequence[NDArray[np.uint32]],
) -> ShardIndex:
    """Return the index of shards, from block, size and CRC-32 of the images of each, [3, n]."""
    block, size, crc = np.concatenate(columns, axis=1)
    return ShardIndex(
        names=names,
        shards=tuple(path.name for path in paths),
        first=np.cumsum([0, *(part.shape[1] for part in columns)], dtype=np.int64),
        shard_bytes=np.array([path.stat().st_size for path in paths], np.int64),
        block=np.ascontiguousarray(block),
        size=np.ascontiguousarray(size),
        crc=np.ascontiguousarray(crc),
        label=label,
    )
