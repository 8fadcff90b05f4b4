"""``data_infos`` of a long list: a sequence of dicts that are made when they are asked for.

MMSelfSup 0.x has a list of dicts, ``dict(img_prefix=..., img_info=dict(filename=...),
gt_label=...)``. A table looks the same to those who read it, change an entry, or add and remove
entries, and keeps the names and labels in arrays (see ``packed``).

Letters: N images, L labels of an image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableSequence, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from .packed import PackedEntries, PackedStrings

Info = dict[str, Any]


class ImageInfo(dict[str, Any]):
    """An entry of a table; a change of it is kept by the table."""

    __slots__ = ("_inner", "_row", "_table")

    def __init__(self, table: ImageTable, row: int, values: Info, inner: bool = False) -> None:
        super().__init__(values)
        self._table, self._row, self._inner = table, row, inner

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)  # a copy is a plain dict

    def _kept(self) -> Info:
        """Return the dict that the table keeps for this one."""
        kept = self._table.keep(self._row, None if self._inner else self)
        return kept["img_info"] if self._inner else kept


def _kept_as_well(name: str) -> Callable[..., Any]:
    """Return the method of ``dict``, which also changes what the table keeps."""
    method = getattr(dict, name)

    def changed(self: ImageInfo, *args: Any, **kwargs: Any) -> Any:
        kept = self._kept()
        if kept is not self:
            method(kept, *args, **kwargs)
        return method(self, *args, **kwargs)

    return changed


for _name in ("__setitem__", "__delitem__", "__ior__", "clear", "pop", "popitem", "setdefault"):
    setattr(ImageInfo, _name, _kept_as_well(_name))
ImageInfo.update = _kept_as_well("update")  # type: ignore[method-assign]


class ImageTable(MutableSequence[Info]):
    """The images of a data source.

    Args:
        prefix: ``img_prefix`` of all images.
        entries: Their names, labels and lines, N.
        groups: N groups, ``group`` of an entry; None for entries without.
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self, prefix: str, entries: PackedEntries, groups: PackedStrings | None = None
    ) -> None:
        self._prefix, self._entries, self._groups = prefix, entries, groups
        self._changed: dict[int, Info] = {}  # entries that someone changed
        self._plain: list[Info] | None = None  # all of them, once entries were added or removed

    def __len__(self) -> int:
        return len(self._entries if self._plain is None else self._plain)

    @overload
    def __getitem__(self, index: int) -> Info: ...
    @overload
    def __getitem__(self, index: slice) -> MutableSequence[Info]: ...
    def __getitem__(self, index: int | slice) -> Info | MutableSequence[Info]:
        if self._plain is not None:
            return self._plain[index]
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        row = range(len(self))[index]
        if row in self._changed:
            return self._changed[row]
        entries = self._entries
        label, line = entries.labels[row].tolist(), int(entries.lines[row])
        return self._info(row, entries.names[row], label, line)

    def __iter__(self) -> Iterator[Info]:
        if self._plain is not None:
            yield from self._plain
            return
        for row, entry in enumerate(self._entries):
            yield self._changed[row] if row in self._changed else self._info(row, *entry)

    @overload
    def __setitem__(self, index: int, value: Info) -> None: ...
    @overload
    def __setitem__(self, index: slice, value: Iterable[Info]) -> None: ...
    def __setitem__(self, index: int | slice, value: Any) -> None:
        if isinstance(index, slice) or self._plain is not None:
            self._as_list()[index] = value
        else:
            self._changed[range(len(self))[index]] = value

    def __delitem__(self, index: int | slice) -> None:
        del self._as_list()[index]

    def insert(self, index: int, value: Info) -> None:
        """Insert an entry."""
        self._as_list().insert(index, value)

    def sort(self, *, key: Callable[[Info], Any], reverse: bool = False) -> None:
        """Sort the entries."""
        self._as_list().sort(key=key, reverse=reverse)

    def copy(self) -> list[Info]:
        """Return a list of the entries."""
        return list(self)

    def __add__(self, other: Iterable[Info]) -> list[Info]:
        return [*self, *other]

    def __radd__(self, other: Iterable[Info]) -> list[Info]:
        return [*other, *self]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ImageTable | list):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    def keep(self, row: int, info: Info | None = None) -> Info:
        """Return the dict of an entry that is kept from now on; ``info``, if there is none yet."""
        if row not in self._changed:
            self._changed[row] = self[row] if info is None else info
        return self._changed[row]

    def take(self, rows: NDArray[np.int64]) -> MutableSequence[Info]:
        """Return the entries of these numbers, [n]."""
        if self._plain is not None:
            return [self._plain[row] for row in rows.tolist()]
        groups = None if self._groups is None else self._groups.take(rows)
        taken = ImageTable(self._prefix, self._entries.take(rows), groups)
        if self._changed:
            places = enumerate(rows.tolist())
            taken._changed = {i: self._changed[row] for i, row in places if row in self._changed}
        return taken

    def names(self) -> PackedStrings | None:
        """Return all file names, [N]; None where an entry was changed."""
        return None if self._changed or self._plain is not None else self._entries.names

    def labels(self) -> NDArray[Any] | None:
        """Return all labels, [N] or [N, L], not to be written into; None as ``names``."""
        return None if self._changed or self._plain is not None else self._entries.labels

    def with_labels(self, labels: NDArray[Any]) -> ImageTable:
        """Return the images with other labels, [N] or [N, L]."""
        old = self._entries
        return ImageTable(self._prefix, PackedEntries(old.names, labels, old.lines), self._groups)

    def _info(self, row: int, name: str, label: Any, line: int) -> Info:
        """Return a new dict of an entry."""
        image = ImageInfo(self, row, {"filename": name}, inner=True)
        values = {"img_prefix": self._prefix, "img_info": image, "gt_label": label, "line": line}
        if self._groups is not None:
            values["group"] = self._groups[row]
        return ImageInfo(self, row, values)

    def _as_list(self) -> list[Info]:
        """Return the entries as a list, which takes the place of the arrays."""
        if self._plain is None:
            self._plain = [dict(info, img_info=dict(info["img_info"])) for info in self]
            self._changed.clear()
        return self._plain


class Samples(Sequence[tuple[str, Any]]):
    """0.x's ``samples`` of folders of classes: the name and the class of each image.

    Args:
        infos: ``data_infos``.
    """

    def __init__(self, infos: Sequence[Info]) -> None:
        self._infos = infos

    def __len__(self) -> int:
        return len(self._infos)

    @overload
    def __getitem__(self, index: int) -> tuple[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[tuple[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [_sample(info) for info in self._infos[index]]
        return _sample(self._infos[index])

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Samples | list) else NotImplemented

    __hash__ = None  # type: ignore[assignment]


def _sample(info: Info) -> tuple[str, Any]:
    return info["img_info"]["filename"], info["gt_label"]
