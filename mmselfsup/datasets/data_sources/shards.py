"""Images in shards: tar files on a disk, a server or a storage service, read by an index."""

from __future__ import annotations

import hashlib
import logging
import os
import zlib
from collections.abc import Mapping, MutableSequence, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from mmselfsup.utils.errors import ArgumentError, NoAnswerError, StorageError, UserError
from mmselfsup.utils.image_names import has_image_extension

from ..registry import DATASOURCES
from .http_ranges import HttpStore
from .image_list import ImageList
from .index_copy import copy_of
from .label_cells import NO_LABEL
from .lists import Entry, check_labels, report_duplicates
from .nested_settings import from_settings
from .packed import PackedEntries, PackedStrings, pack
from .range_reads import Retry, Store, read_range, read_version, what_failed
from .shard_cache import ShardCache
from .shard_index import INDEX_NAME, Place, ShardIndex, read_index
from .shard_stores import FolderStore, join_address, open_store, same_service, split_address

_LOOKED_AT = 3  # shards of a server whose size is asked for before a run


@DATASOURCES.register_module()
class Shards(ImageList):
    """The images of shards, read one by one in any order.

    ``tools/data_converters/make_shards.py`` makes shards and their index from a folder or a list,
    and the index of tar files that are there. Without ``ann_file`` the images are those of the
    index in its order, with its labels, classes, groups and lesions. With ``ann_file``, a list as
    ``ImageList`` reads it, they are those of the list in the order of the list, with the labels of
    the list; the index gives their places. So a fold of a cross-validation needs no shards of its
    own, and a config for ``ImageList`` or ``ImageNet`` becomes one for shards by ``type``,
    ``index`` and ``url``. An image has the same pixels as its file in the folder.

    ``line`` in ``data_infos`` is the number of an image in the index, from 1, and the attribute
    ``ann_file`` the index.

    Args:
        data_prefix: The folder that the images were in; not read.
        index: The index; by default ``index.safetensors`` beside the shards. From a server it is
            copied into ``shard_cache``, once; when the one of the server has changed since, a run
            does not start.
        url: Where the shards are: a folder, ``http://`` or ``https://`` (a server with ranges), or
            an address of fsspec (``s3://``, ``gs://``, ``memory://``) whose package is installed;
            by default the folder of the index.
        shard_cache: ``dict(dir=folder, size_gb=50)``: keep what was read from a server there, see
            ``shard_cache.ShardCache``; None to read it each time.
        retry: ``dict(tries=6, wait=0.5, longest=30, timeout=30)``, see ``range_reads.Retry``.
        storage_options: Options of fsspec's file system; ``headers`` of the requests for HTTP. They
            hold for the index too where it is on the same host (HTTP) or of the same kind (fsspec).
        **kwargs: See ``ImageList`` and ``BaseDataSource``.

    Raises:
        ArgumentError: A setting is unknown, missing or of another type.
        UserError: The index or the folder is missing or damaged, or the list has an image that the
            index lacks.
        StorageError: A server does not give a shard; also while images are read.
    """

    def __init__(
        self,
        data_prefix: str | Sequence[str] | None = None,
        *args: Any,
        index: str | None = None,
        url: str | None = None,
        shard_cache: Mapping[str, Any] | None = None,
        retry: Mapping[str, Any] | None = None,
        storage_options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if index is None and url is None:
            raise ArgumentError("Shards: give index, the file of the index, or url, its folder")
        index, url = (_text("index", index), _text("url", url))
        self.url = _absolute(_folder_of(index) if url is None else url)
        self.retry = from_settings(Retry, "retry", retry)
        self.storage_options = storage_options
        self.store = open_store(self.url, self.retry.timeout, storage_options)
        self.shard_cache: ShardCache | None = None
        if shard_cache is not None:
            self.shard_cache = from_settings(ShardCache, "shard_cache", shard_cache)
        self.index_address = index or join_address(self.url, INDEX_NAME)
        self.index_path = self._local_index(self.index_address)
        self.index: ShardIndex = read_index(self.index_path, self.index_name)
        self.content = self.index.content
        if data_prefix:
            logging.getLogger("mmselfsup").info(
                "Shards: data_prefix=%r is not read: the images come from %s", data_prefix, self.url
            )
        kwargs["file_client_args"] = {"backend": "shards"}
        super().__init__(self.url, *args, **kwargs)

    @property
    def index_name(self) -> str:
        """How errors name the index: by its file, which of one from a server is the copy."""
        return self.index_path

    def load_annotations(self) -> MutableSequence[dict[str, Any]]:
        index, wanted = self.index, self.ann_file
        self._has_list = wanted is not None
        self.ann_file = self.index_name  # errors name the line of an image in it
        if wanted is not None:
            return self._selected(wanted)
        entries = PackedEntries(index.names, index.label, range(1, len(index) + 1))
        if self.CLASSES is None:
            self.CLASSES = None if index.classes is None else list(index.classes)
        elif index.classes is not None and list(index.classes) != list(self.CLASSES):
            raise UserError(
                f"{self.index_name}: its labels are numbers of the classes "
                f"{', '.join(index.classes[:8])}{' ...' if len(index.classes) > 8 else ''}; leave "
                "classes out, or give these"
            )
        else:
            check_labels(entries, len(self.CLASSES), self.index_name)
        self.has_labels = bool((index.label != NO_LABEL).any())
        return self._infos(entries, index.groups)

    def _known_lesions(self) -> list[str] | None:
        lesions = self.index.lesions
        if self.metadata is not None or lesions is None or self._has_list:
            return super()._known_lesions()
        return [lesions[info["line"] - 1] for info in self.data_infos]

    def path(self, idx: int) -> str:
        """Return the name of the image ``idx`` and where its shard is."""
        info = self.data_infos[idx]
        place = self.index.place(info["line"] - 1)
        return f"{info['img_info']['filename']} in {self.url}/{place.shard}"

    def read_bytes(self, idx: int) -> bytes:
        """Return the bytes of the image file ``idx``, from the cache or the store.

        Raises:
            StorageError: The store does not give them.
        """
        place = self.index.place(self.data_infos[idx]["line"] - 1)
        data = None if self.shard_cache is None else self.shard_cache.get(self.content, place)
        if data is None:
            data = self._read(place, f"{self.path(idx)} ({self._line(idx)})")
            if self.shard_cache is not None:
                self.shard_cache.put(self.content, place, data)
        return data

    def check_storage(self) -> None:
        """Check that the shards are there and as long as when they were indexed.

        Of a server, a few of them. Other bytes of the same number are found when an image is read.
        Where ``shard_cache`` holds images, these may be all that a run needs: then a server that
        does not answer is a warning, and an image that is in neither is an error when it is read.

        Raises:
            StorageError: One is not, or the store does not answer.
        """
        index, cache = self.index, self.shard_cache
        needed = cache is None or cache.is_empty()
        retry = self.retry if needed else self.retry.once()
        store = self._store_of(self.url, retry.timeout)
        chosen = np.arange(len(index.shards))
        if not isinstance(self.store, FolderStore):
            few = min(len(chosen), _LOOKED_AT)
            chosen = np.linspace(0, len(chosen) - 1, few).astype(int)
        for number in chosen.tolist():
            name, size = index.shards[number], int(index.shard_bytes[number])
            where = f"{self.url}/{name} (index {self.index_name})"
            try:
                found = read_version(store, name, retry, where).size
            except NoAnswerError as error:
                if cache is None or needed:
                    raise
                logging.getLogger("mmselfsup").warning(
                    "the shards are not checked (%s): what is in %s needs no server",
                    what_failed(error), cache.folder,
                )  # fmt: skip
                return
            if found is None:  # the store does not say: a truncated shard lacks its last byte
                read_range(self.store, name, size - 1, 1, self.retry, where)
            elif found != size:
                kind = "truncated or changed" if found < size else "changed"
                raise StorageError(
                    f"{where}: the shard has {found} bytes, and had {size} when it was indexed: it "
                    f"is {kind}; copy it again, or make the index again{self._cure()}"
                )

    def _read(self, place: Place, where: str) -> bytes:
        """Return the bytes of an image from the store, complete and unchanged."""
        for _ in range(2):  # a proxy may have kept a broken answer, a disk may have misread
            data = read_range(self.store, place.shard, place.offset, place.size, self.retry, where)
            if zlib.crc32(data) == place.crc:
                return data
        raise StorageError(
            f"{where}: these bytes are not those that were indexed (their CRC-32 differs): the "
            "shard was changed or damaged; copy it again, or make the index again" + self._cure()
        )

    def _cure(self) -> str:
        """Return what else helps where the index is a copy, which may be older than the shards."""
        if self.shard_cache is None or Path(self.index_path).parent != self.shard_cache.folder:
            return ""
        return f"; if the shards are new, remove {self.shard_cache.folder}, where its copy is"

    def _line(self, idx: int) -> str:
        return f"line {self.data_infos[idx]['line']} of {self.index_name}"

    def _selected(self, path: str) -> MutableSequence[dict[str, Any]]:
        """Return the images of a list, at their places in the index."""
        entries, classes, groups = self._listed(path)
        if self.CLASSES is None:
            self.CLASSES = classes
        if self.CLASSES is not None:
            check_labels(entries, len(self.CLASSES), path)
        report_duplicates(entries, path)
        packed = pack(entries)
        if packed is None:
            raise UserError(f"{path}: all images need the same number of labels")
        self.has_labels = bool((packed.labels != NO_LABEL).any())
        rows = self._rows_of(packed, path)
        whole = len(rows) == len(self.index) and bool((rows == np.arange(len(rows))).all())
        names = self.index.names if whole else self.index.names.take(rows)
        lines = range(1, len(rows) + 1) if whole else (rows + 1).astype(np.uint32)
        return self._infos(PackedEntries(names, packed.labels, lines), groups)

    def _rows_of(self, entries: PackedEntries, path: str) -> NDArray[np.int64]:
        """Return the number in the index of each image of a list, [n]."""
        names = self.index.names
        if not has_image_extension(entries.names[0]):  # as in ``ImageList``, the first one decides
            names = PackedStrings.of(os.path.splitext(name)[0] for name in names)
        self._check_unique(names, entries.names, path)
        rows = names.find(entries.names)
        missing = np.flatnonzero(rows < 0)
        if len(missing):
            first: Entry = entries[int(missing[0])]
            raise UserError(
                f"{path}, line {first.line}: {first.name!r} is not in {self.index_name} "
                f"({len(missing)} of {len(rows)} images of the list are not); it has names as "
                f"{self.index.names[0]!r}: make shards of all images, or correct the list"
            )
        return rows

    def _check_unique(self, names: PackedStrings, wanted: PackedStrings, path: str) -> None:
        """Check that no name of a list is that of two different images of the index.

        Raises:
            UserError: One is; the same bytes twice are no harm.
        """
        again = names.repeated()
        listed = again[wanted.find(names.take(again)) >= 0]
        seen: dict[str, int] = {}
        for row in listed.tolist():
            first = seen.setdefault(names[row], row)
            one, other = self.index.place(first), self.index.place(row)
            if (one.size, one.crc) == (other.size, other.crc):
                continue
            whole = self.index.names[first], self.index.names[row]
            cure = "write the names with their extension"
            if whole[0] == whole[1]:
                cure = "rename one of them and make the index again, or take its shard out"
            raise UserError(
                f"{path}: {names[row]!r} is more than one image of {self.index_name}: "
                f"{whole[0]!r} in {one.shard} and {whole[1]!r} in {other.shard}; {cure}"
            )

    def _local_index(self, index: str) -> str:
        """Return the path of the index, after copying one that is not on a disk."""
        path = os.path.expanduser(index)
        if "://" not in path or path.startswith("file://"):
            return path.removeprefix("file://")
        if self.shard_cache is None:
            raise UserError(
                f"{index}: give index=FILE, a copy of it on a disk, or shard_cache=dict(dir=...), "
                "the folder to copy it into"
            )
        folder, name = split_address(index)
        copy = self.shard_cache.folder / f"{hashlib.sha256(index.encode()).hexdigest()[:16]}-{name}"
        quick = self._store_of(folder, self.retry.once().timeout)
        copy_of(self._store_of(folder), quick, name, copy, self.retry, index)
        return str(copy)

    def _store_of(self, folder: str, timeout: float | None = None) -> Store:
        """Return the store of an index; with ``storage_options`` where it is that of the shards.

        Another timeout than that of ``retry`` is one of HTTP; other services have their own.
        """
        usual = timeout in (None, self.retry.timeout) or not isinstance(self.store, HttpStore)
        if folder == self.url and usual:
            return self.store
        options = self.storage_options if same_service(folder, self.url) else None
        return open_store(folder, timeout or self.retry.timeout, options)


def _text(key: str, value: Any) -> str | None:
    """Return a path or an address as text."""
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, os.PathLike):
        raise ArgumentError(f"Shards: {key} must be a path or an address, got {value!r}")
    return str(os.fspath(value))


def _folder_of(index: str | None) -> str:
    """Return the folder of an index."""
    return split_address(str(index))[0] if "://" in str(index) else os.path.dirname(str(index))


def _absolute(url: str) -> str:
    """Return an address without a slash at the end of its path; a folder as its absolute path."""
    if "://" not in url:
        return os.path.abspath(os.path.expanduser(url))
    if url.startswith(("http://", "https://")):
        parts = urlsplit(url)
        return parts._replace(path=parts.path.rstrip("/")).geturl()
    return url.rstrip("/")
