"""A cache of decoded images on the disk, mapped into memory.

A folder holds the images of one data folder with one setting, for any number of lists:

- ``settings.json``: a description of the images, for a human reader;
- ``pixels.bin``: the bytes of the images, one after the other; new images are appended;
- ``index.bin``: a record (``RECORD``) for each image, appended after its bytes are on the disk;
- ``list-<checksum>.npy``: the record number of each image of one list; written when all are cached;
- ``lock``: locked by the process that writes.

``open_cache`` reads and appends the images of a list that the cache lacks, ``ImageStore`` gives
them.

Letters: N images of a list, H, W, C height, width and channels of an image.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mmselfsup.utils.cpus import available_cores
from mmselfsup.utils.errors import StorageError, UserError, one_line
from mmselfsup.utils.files import (
    atomic_write,
    atomic_write_text,
    expanded,
    file_lock,
    file_stamp,
    file_stamps,
    remove_leftovers,
)
from mmselfsup.utils.progress import progress

from .pipelines.encoded import Pixels
from .pipelines.geometric import resize, shorter_side

#: Of the format and of the decoding. Caches of another version are not read: version 1 holds float,
#: 32-bit and 12-bit images as black, white or nearly black.
_VERSION = 2
#: The same of grey images: version 2 holds those of PNG files with a gamma too dark or too bright.
_GREY_VERSION = 3
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
_NOT_OWN = (__name__.partition(".")[0], "builtins")  # whose classes are no user's
_AT_ONCE = 64  # images that are read before their bytes are forced to the disk
_MAX_THREADS = 8


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
        "version": _version(source.reader.color_type),
        "images": os.path.abspath(prefix) if source.reader.on_disk else prefix,
        "short_side": short_side,
        "color_type": source.reader.color_type,
        "channel_order": source.reader.channel_order,
        **({} if source.reader.value_range is None else {"values": source.reader.value_range}),
        **({"service": source.reader.service} if source.reader.service else {}),
        **({"content": source.content} if getattr(source, "content", None) else {}),
        **_containers(source),
        **own_reading(source),
        **source.scan_reading(),
    }
    start = expanded(dir) / (Path(prefix).name or "images")
    text, folder = _place(start, settings)
    _report_old(start, settings, folder)
    names = image_names(source)
    rows_file = folder / f"list-{list_checksum(names)}.npy"
    if _read_rows(rows_file) is None:
        with _locked(folder):
            if _read_rows(rows_file) is None:  # another process may have written it meanwhile
                remove_leftovers(folder)
                atomic_write_text(folder / "settings.json", text)
                rows = append_missing(folder, source, names, short_side)
                with atomic_write(rows_file) as file:
                    np.save(file, rows)
    store = ImageStore(folder, _complete_rows(rows_file, names))
    check_files(folder, source, store.records, range(len(store)))
    logging.getLogger("mmselfsup").info(
        "cache: %d images, %.2f GB, in %s", len(store), store.num_bytes() / 1e9, folder
    )
    return store


def _containers(source: Any) -> dict[str, Any]:
    """Return what stands for files that hold many images: paths, sizes and times of change.

    Names of images inside of them are the same for other files of the same name.
    """
    paths = [os.path.abspath(path) for path in getattr(source, "container_files", ())]
    return {"files": [[path, *file_stamp(path)] for path in paths]} if paths else {}


def _version(color_type: str) -> int:
    """Return the version of caches of images of this colour type."""
    return _GREY_VERSION if color_type.startswith("grayscale") else _VERSION


def _place(start: Path, settings: Mapping[str, Any]) -> tuple[str, Path]:
    """Return the text of ``settings.json``, and the folder that belongs to these settings."""
    text = json.dumps(settings, indent=2, sort_keys=True) + "\n"
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    return text, start.with_name(f"{start.name}-{key}")


def _report_old(start: Path, settings: Mapping[str, Any], folder: Path) -> None:
    """Log that a cache of an older version is not used, until its folder is removed."""
    every = [{**settings, "version": version} for version in range(1, settings["version"] + 1)]
    before = {key: value for key, value in settings.items() if key != "dicom"}
    for older in [one for one in (*every, before) if one != settings]:
        old = _place(start, older)[1]
        if old.is_dir():
            logging.getLogger("mmselfsup").warning(
                "cache: %s is of an older version, which decoded some kinds of images wrong: "
                "it is not used, the images are decoded again into %s; remove the old folder",
                old, folder,
            )  # fmt: skip


def own_reading(source: Any) -> dict[str, str]:
    """Return what stands for the way in which a class of the user reads its images.

    Two classes that read the same files may give other pixels, and so may a class that was edited;
    they must not share a cache. Nothing for classes of this package.
    """
    own = [c for c in type(source).__mro__ if c.__module__.partition(".")[0] not in _NOT_OWN]
    if not own:
        return {}
    code = hashlib.sha256()
    for cls in own:
        with suppress(OSError, TypeError):  # typed into a console
            code.update(inspect.getsource(cls).encode())
    name = f"{own[0].__module__}.{own[0].__qualname__}"
    return {"source": name, "code": code.hexdigest()[:16]}


def image_names(source: Any) -> list[str]:
    """Return a unique name for each image: that of its file, or else one made from its entry.

    Raises:
        UserError: An entry has no file name, and holds more than plain values and arrays.
    """
    names = []
    for idx, info in enumerate(source.data_infos):
        name = info.get("img_info", {}).get("filename")
        folder = info.get("img_prefix") or ""
        if name and folder != source.data_prefix:  # a class of the user may have several
            name = os.path.join(folder, name)
        if not name:
            try:
                facts = json.dumps(info, sort_keys=True, default=_array_digest)
            except TypeError as error:
                raise UserError(
                    f"cache: image {idx} of {type(source).__name__} has no file name, and its "
                    f"entry can't tell it from others ({error}): return "
                    "img_info=dict(filename=...) from load_annotations"
                ) from None
            name = f"#{idx} {hashlib.sha256(facts.encode()).hexdigest()}"
        names.append(str(name))
    return names


def _array_digest(value: Any) -> Any:
    """Return what stands for an array or a number of numpy in JSON."""
    if not isinstance(value, np.ndarray | np.generic):
        raise TypeError(f"it holds a {type(value).__name__}")
    array = np.ascontiguousarray(value)
    return [str(array.dtype), array.shape, hashlib.sha256(array.tobytes()).hexdigest()]


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


class Source(Protocol):
    """The part of a data source that the cache uses."""

    on_error: str
    reader: Any

    def path(self, idx: int) -> str:
        """Return the path of an image."""

    def uncached_pixels(self, idx: int) -> Any:
        """Return an image: an array, or a PIL image where it has an unusual mode."""


class Read(NamedTuple):
    """An image, and size and time of its file."""

    pixels: Pixels | None  # None: it can't be read
    file_size: int
    mtime: int


def read_image(source: Source, idx: int, short_side: int | None) -> Read:
    """Return an image, shrunk where its shorter side is above ``short_side``.

    Raises:
        UserError: It can't be read and the source has ``on_error='raise'``, or its mode is unusual.
    """
    stamp = file_stamp(source.path(idx)) if source.reader.on_disk else (-1, -1)
    try:
        pixels = source.uncached_pixels(idx)
    except OSError as error:  # of a class of the user: not to be taken for one of the cache's disk
        raise UserError(f"{source.path(idx)}: {one_line(error)}") from error
    except UserError as error:
        if isinstance(error, StorageError) or source.on_error == "raise":
            raise
        return Read(None, *stamp)
    if not isinstance(pixels, np.ndarray):
        raise UserError(
            f"cache: {source.path(idx)} comes as a PIL image of mode {pixels.mode}; a cache holds "
            "RGB and grey images with 8 bits: set color_type='color' in the data source"
        )
    if pixels.dtype != np.uint8 or pixels.shape[2:] not in ((), (1,), (3,)) or pixels.ndim < 2:
        raise UserError(
            f"cache: {source.path(idx)} comes as {pixels.dtype} {list(pixels.shape)}; it holds "
            "uint8 [H, W, 3] or [H, W]: return such arrays, or leave out the cache"
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
    _check_pixels(folder, index)
    row_of = {record.tobytes(): row for row, record in enumerate(index["name"])}
    missing: dict[bytes, int] = {}  # name -> position in the list
    digests = [name_digest(name) for name in names]
    known = [position for position, digest in enumerate(digests) if digest in row_of]
    rows = [row_of[digests[position]] for position in known]
    check_files(folder, source, index[rows], known)  # before hours of reading the missing ones
    for position, digest in enumerate(digests):
        if digest not in row_of:
            missing.setdefault(digest, position)  # an image may be in the list more than once
    if missing:
        row_of |= {digest: len(index) + row for row, digest in enumerate(missing)}
        _append(folder, index, missing, lambda i: read_image(source, i, short_side))
    return np.array([row_of[digest] for digest in digests], dtype=np.int64)


def check_files(
    folder: Path, source: Source, records: NDArray[Any], positions: Sequence[int]
) -> None:
    """Check that the image files have the size and time that they had when they were cached.

    Args:
        folder: Folder of the cache.
        source: The data source.
        records: [M], the records of the images.
        positions: [M], their positions in the list.

    Raises:
        UserError: A file was changed, or an image that could not be read is there now.
    """
    if not source.reader.on_disk:
        return
    paths = [source.path(position) for position in positions]
    stamps = np.array(file_stamps(paths), np.int64).reshape(-1, 2)  # [M, 2]
    cached = np.stack((records["file_size"], records["mtime"]), axis=1)  # [M, 2]
    # A file that is gone is no other image: a cache may outlive the files.
    changed = np.flatnonzero((cached != stamps).any(axis=1) & (stamps[:, 0] >= 0))
    if len(changed):
        others = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        was = "were" if others else "was"
        raise UserError(
            f"cache: {paths[changed[0]]}{others} {was} changed after it was cached; remove {folder}"
        )


def _read_rows(path: Path) -> NDArray[np.int64] | None:
    """Return the record numbers of a list; None where the file is missing or can't be read."""
    try:
        rows: NDArray[np.int64] = np.load(path)
    except (OSError, ValueError, EOFError):  # EOFError: no byte, as after a power cut
        return None
    return rows if isinstance(rows, np.ndarray) and rows.ndim == 1 else None


def _complete_rows(path: Path, names: Sequence[str]) -> NDArray[np.int64]:
    """Return the record numbers of a list; an error where the cache lacks some of them."""
    rows, index = _read_rows(path), read_index(path.parent)
    if rows is None or len(rows) != len(names) or rows.max(initial=-1) >= len(index):
        raise UserError(f"cache: {path.parent} is damaged; remove this folder")
    _check_pixels(path.parent, index)
    return rows


def _check_pixels(folder: Path, index: NDArray[Any]) -> None:
    """Check that the pixels of all records are there: appending would fill a gap with black."""
    size = max(0, file_stamp(str(folder / "pixels.bin"))[0])
    if size < used_bytes(index):
        raise UserError(f"cache: {folder} is damaged; remove this folder")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a cache inside the block; see ``file_lock``."""
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(file_lock(folder / "lock", partial(_log_waiting, folder)))
        except OSError as error:
            raise UserError(
                f"cache: can't write {folder}: {error.strerror}; check cache.dir"
            ) from error
        yield


def _log_waiting(folder: Path) -> None:
    logging.getLogger("mmselfsup").info("cache: another process writes %s", folder)


def _append(
    folder: Path, index: NDArray[Any], missing: dict[bytes, int], read: Callable[[int], Read]
) -> None:
    """Append images; the record of an image is written after its bytes are on the disk."""
    offset = used_bytes(index)
    names, bar = list(missing), progress(desc="decode cache", total=len(missing), unit="img")
    try:  # around the files: closing them writes what is left, and may fail again
        with ExitStack() as stack:
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
    with ThreadPoolExecutor(min(_MAX_THREADS, available_cores())) as pool:
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
