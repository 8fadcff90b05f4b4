"""``data_infos`` of a long list: a sequence of dicts that are made when they are asked for.

MMSelfSup 0.x has a list of dicts, ``dict(img_prefix=..., img_info=dict(filename=...),
gt_label=...)``. A table looks the same to those who read it, change an entry, or add and remove
entries, and keeps the names and labels in arrays (see ``packed``).

Letters: N images, L labels of an image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableSequence, Sequence
from itertools import islice
from typing import Any, overload
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from .packed import PackedEntries, PackedStrings

Info = dict[str, Any]


class ImageInfo(dict[str, Any]):
    """An entry of a table, or its ``img_info``; before its first change the table keeps it.

    Args:
        table: The table.
        row: The number of the entry.
        values: Its values.
    """

    __slots__ = ("__weakref__", "_row", "_table")

    def __init__(self, table: ImageTable, row: int, values: Info) -> None:
        super().__init__(values)
        self._table: ImageTable | None = table  # None, once the table keeps it
        self._row = row

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)  # a copy is a plain dict


def _kept_before(name: str) -> Callable[..., Any]:
    """Return the method of ``dict``, before which the table keeps the entry."""
    method = getattr(dict, name)

    def changed(self: ImageInfo, *args: Any, **kwargs: Any) -> Any:
        if self._table is not None:
            self._table.keep(self._row)
        return method(self, *args, **kwargs)

    return changed


for _name in ("__setitem__", "__delitem__", "__ior__", "clear", "pop", "popitem", "setdefault"):
    setattr(ImageInfo, _name, _kept_before(_name))
ImageInfo.update = _kept_before("update")  # type: ignore[method-assign]


class ImageTable(MutableSequence[Info]):
    """The images of a data source.

    Like a list it gives the same dict for an entry each time, as long as someone holds it, and
    a dict that was changed for ever. When entries are added, removed, moved or replaced, it turns
    into a list with those dicts.

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
        self._forget_held()

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_held", "_held_images")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget_held()

    def __len__(self) -> int:
        return len(self._entries if self._plain is None else self._plain)

    @overload
    def __getitem__(self, index: int) -> Info: ...
    @overload
    def __getitem__(self, index: slice) -> list[Info]: ...
    def __getitem__(self, index: int | slice) -> Info | list[Info]:
        if self._plain is not None:
            return self._plain[index]
        if isinstance(index, slice):
            return [self[row] for row in range(len(self))[index]]
        row = range(len(self))[index]
        entries = self._entries
        label, line = entries.labels[row].tolist(), int(entries.lines[row])
        return self._info(row, entries.names[row], label, line)

    def __iter__(self) -> Iterator[Info]:
        place = 0
        for entry in self._entries if self._plain is None else ():
            yield self._info(place, *entry)
            place += 1
            if self._plain is not None:  # it has become a list meanwhile
                break
        if self._plain is not None:
            yield from islice(self._plain, place, None)

    @overload
    def __setitem__(self, index: int, value: Info) -> None: ...
    @overload
    def __setitem__(self, index: slice, value: Iterable[Info]) -> None: ...
    def __setitem__(self, index: int | slice, value: Any) -> None:
        self._as_list()[index] = value

    def __delitem__(self, index: int | slice) -> None:
        del self._as_list()[index]

    def insert(self, index: int, value: Info) -> None:
        """Insert an entry."""
        self._as_list().insert(index, value)

    def reverse(self) -> None:
        """Turn the order round."""
        self._as_list().reverse()

    def sort(self, *, key: Callable[[Info], Any], reverse: bool = False) -> None:
        """Sort the entries."""
        self._as_list().sort(key=key, reverse=reverse)

    def copy(self) -> list[Info]:
        """Return a list of the entries."""
        return list(self)

    __copy__ = copy

    def __add__(self, other: Iterable[Info]) -> list[Info]:
        return [*self, *other]

    def __radd__(self, other: Iterable[Info]) -> list[Info]:
        return [*other, *self]

    def __mul__(self, times: int) -> list[Info]:
        return list(self) * times

    __rmul__ = __mul__

    def __imul__(self, times: int) -> ImageTable:
        self._as_list()[:] = self * times
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ImageTable | list):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    def keep(self, row: int) -> None:
        """Keep the dict of an entry, and that of its ``img_info``, from now on."""
        info = self[row]
        self._changed[row] = info
        for held in (info, self._held_images.get(row)):
            if isinstance(held, ImageInfo) and held._table is self:
                held._table = None

    def take(self, rows: NDArray[np.int64]) -> MutableSequence[Info]:
        """Return the entries of these numbers, [n]; a dict that someone holds is in both."""
        if self._plain is not None:
            return [self._plain[row] for row in rows.tolist()]
        for row in {*self._held.keys(), *self._held_images.keys()} - self._changed.keys():
            self.keep(row)
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

    def _forget_held(self) -> None:
        """Begin without entries, and ``img_info`` of entries, that someone holds."""
        self._held: WeakValueDictionary[int, Info] = WeakValueDictionary()
        self._held_images: WeakValueDictionary[int, Info] = WeakValueDictionary()

    def _info(self, row: int, name: str, label: Any, line: int) -> Info:
        """Return the dict of an entry: a new one, unless there is one already."""
        info = self._changed.get(row)
        if info is None:
            info = self._held.get(row)
        if info is not None:
            return info
        image = self._held_images.get(row)
        if image is None:
            image = self._held_images[row] = ImageInfo(self, row, {"filename": name})
        info = ImageInfo(self, row, self._values(row, image, label, line))
        self._held[row] = info
        return info

    def _values(self, row: int, image: Info, label: Any, line: int) -> Info:
        """Return a new plain dict of an entry."""
        values = {"img_prefix": self._prefix, "img_info": image, "gt_label": label, "line": line}
        if self._groups is not None:
            values["group"] = self._groups[row]
        return values

    def _as_list(self) -> list[Info]:
        """Return the entries as a list, which takes the place of the arrays.

        Dicts that someone holds are in the list.
        """
        if self._plain is None:
            for row in {*self._held.keys(), *self._held_images.keys()} - self._changed.keys():
                self.keep(row)
            plain = []
            for row, (name, label, line) in enumerate(self._entries):
                info = self._changed.get(row)
                if info is None:
                    info = self._values(row, {"filename": name}, label, line)
                plain.append(info)
            self._plain = plain
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
