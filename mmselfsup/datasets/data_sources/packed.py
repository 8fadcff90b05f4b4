"""Names and labels of many images in a few arrays, instead of Python objects for each image.

A million strings and numbers of Python take several hundred MiB, and a worker process that only
looks at one copies its page of memory, as it counts references. The arrays take the bytes of the
names and 5 to 8 bytes an image, and all forked workers share them.

Letters: N strings or images, L labels of an image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from .list_lines import Entry

_AT_ONCE = 4096  # strings that are decoded, copied or hashed together
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # of the hash; odd, so that no byte is lost


class PackedStrings(Sequence[str]):
    """A list of strings as their joined bytes; equal to a list of the same strings.

    Args:
        data: The bytes of all strings, uint8.
        bounds: [N + 1], where each string begins and the last one ends; unsigned or int64.
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, data: NDArray[np.uint8], bounds: NDArray[Any]) -> None:
        self.data, self.bounds = data, bounds

    @classmethod
    def of(cls, strings: Iterable[str]) -> PackedStrings:
        """Return the packed form of strings.

        Raises:
            UnicodeEncodeError: One has half of a surrogate pair that is no byte of a file name.
        """
        encoded = [text.encode("utf-8", "surrogateescape") for text in strings]
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
        return cls(np.frombuffer(b"".join(encoded), np.uint8), bounds_of(lengths))

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> PackedStrings: ...
    def __getitem__(self, index: int | slice) -> str | PackedStrings:
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        index = range(len(self))[index]  # an IndexError, and numbers from the end
        begin, end = int(self.bounds[index]), int(self.bounds[index + 1])
        return self.data[begin:end].tobytes().decode("utf-8", "surrogateescape")

    def __iter__(self) -> Iterator[str]:
        for first in range(0, len(self), _AT_ONCE):
            bounds = self.bounds[first : first + _AT_ONCE + 1].astype(np.int64)
            raw = self.data[bounds[0] : bounds[-1]].tobytes()
            places = (bounds - bounds[0]).tolist()
            for begin, end in pairwise(places):
                yield raw[begin:end].decode("utf-8", "surrogateescape")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PackedStrings | list | tuple):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    def __add__(self, other: Iterable[str]) -> list[str]:
        return [*self, *other]

    def __radd__(self, other: Iterable[str]) -> list[str]:
        return [*other, *self]

    def __repr__(self) -> str:
        shown = [repr(self[i]) for i in range(min(len(self), 3))]
        return f"PackedStrings([{', '.join(shown)}{', ...' if len(self) > 3 else ''}])"

    def take(self, rows: NDArray[np.int64]) -> PackedStrings:
        """Return the strings of these numbers, [n]."""
        begins = self.bounds[rows].astype(np.int64)
        lengths = self.bounds[rows + 1].astype(np.int64) - begins
        bounds = bounds_of(lengths)
        data = np.empty(int(bounds[-1]), np.uint8)
        for first in range(0, len(rows), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            start, stop = int(bounds[first]), int(bounds[min(first + _AT_ONCE, len(rows))])
            shift = begins[part] - (bounds[:-1][part].astype(np.int64) - start)
            data[start:stop] = self.data[np.repeat(shift, lengths[part]) + np.arange(stop - start)]
        return PackedStrings(data, bounds)

    def repeated(self) -> NDArray[np.int64]:
        """Return the numbers of all strings that are there more than once, ascending."""
        hashes = self.hashes()
        ordered = np.sort(hashes)
        again = ordered[1:][ordered[1:] == ordered[:-1]]
        return np.flatnonzero(np.isin(hashes, again)) if len(again) else np.arange(0)

    def all_plain(self) -> bool:
        """Return whether equal paths are equal strings: none has ``./``, ``../`` or ``//``.

        A name that ends where another begins may look so: the answer is then False as well.
        """
        before, slash = self.data[:-1], self.data[1:] == ord("/")
        return not bool((slash & ((before == ord(".")) | (before == ord("/")))).any())

    def all_filled(self) -> bool:
        """Return whether no string is empty."""
        return bool((self.bounds[1:] > self.bounds[:-1]).all())

    def find(self, wanted: PackedStrings) -> NDArray[np.int64]:
        """Return the number of each wanted string, [n], the first of equal ones; -1 for none."""
        own, hashes = self.hashes(), wanted.hashes()
        order = np.argsort(own, kind="stable")
        places = np.searchsorted(own, hashes, sorter=order)
        rows: NDArray[np.int64] = order[np.minimum(places, len(own) - 1)]
        rows[own[rows] != hashes] = -1
        for first in range(0, len(rows), _AT_ONCE):  # two strings may have one hash
            part = rows[first : first + _AT_ONCE]
            there = np.flatnonzero(part >= 0)
            pairs = zip(self.take(part[there]), wanted.take(first + there), strict=True)
            part[[k for k, (a, b) in zip(there.tolist(), pairs, strict=True) if a != b]] = -1
        return rows

    def hashes(self) -> NDArray[np.uint64]:
        """Return a hash of each string, [N]; different strings rarely have the same.

        The hash of a string does not depend on the others.
        """
        longest = int(np.diff(self.bounds.astype(np.int64)).max(initial=0))
        powers = np.cumprod(np.full(longest + 1, _FACTOR, np.uint64))  # modulo 2**64
        hashes = np.zeros(len(self), np.uint64)
        for first in range(0, len(self), _AT_ONCE):
            bounds = self.bounds[first : first + _AT_ONCE + 1].astype(np.int64)
            lengths = np.diff(bounds)
            values = self.data[bounds[0] : bounds[-1]].astype(np.uint64) + np.uint64(1)
            places = np.arange(len(values)) - np.repeat(bounds[:-1] - bounds[0], lengths)
            filled = lengths > 0  # a sum over no byte is not 0 but the next byte
            if filled.any():
                starts = (bounds[:-1] - bounds[0])[filled]
                sums = np.add.reduceat(values * powers[places], starts)
                hashes[first : first + len(lengths)][filled] = sums
        return hashes


class HashedStrings:
    """Strings as their hashes, 8 bytes each; rarely, another one seems to be among them.

    Args:
        strings: The strings; they are not kept.
    """

    def __init__(self, strings: Iterable[str]) -> None:
        parts = [part.hashes() for part in _blocks(strings)]
        self.hashes = np.concatenate(parts) if parts else np.zeros(0, np.uint64)
        del parts
        self.hashes.sort()  # in its place, where np.unique would copy

    def __len__(self) -> int:
        return len(self.hashes)

    def __contains__(self, string: str) -> bool:
        return any(True for _ in self.inside([string]))

    def outside(self, strings: Iterable[str]) -> Iterator[tuple[int, str]]:
        """Yield those of some strings that are not in the set, with their numbers."""
        yield from self._where(strings, False)

    def inside(self, strings: Iterable[str]) -> Iterator[tuple[int, str]]:
        """Yield those of some strings that are in the set, with their numbers."""
        yield from self._where(strings, True)

    def _where(self, strings: Iterable[str], wanted: bool) -> Iterator[tuple[int, str]]:
        first = 0
        for part in _blocks(strings):
            hashes = part.hashes()
            there = np.zeros(len(part), np.bool_)
            if len(self.hashes):
                places = np.searchsorted(self.hashes, hashes)
                there = self.hashes[np.minimum(places, len(self.hashes) - 1)] == hashes
            for place in np.flatnonzero(there == wanted).tolist():
                yield first + place, part[place]
            first += len(part)


def _blocks(strings: Iterable[str]) -> Iterator[PackedStrings]:
    """Yield strings in lists of a few thousand."""
    rest = iter(strings)
    while part := list(islice(rest, _AT_ONCE)):
        yield PackedStrings.of(part)


class PackedEntries(Sequence[Entry]):
    """The entries of a list, in arrays.

    Args:
        names: N names.
        labels: [N], or [N, L] where each image has L labels; whole numbers.
        lines: The lines, N numbers: an array, or a ``range``.
    """

    def __init__(
        self, names: PackedStrings, labels: NDArray[Any], lines: NDArray[Any] | range
    ) -> None:
        self.names, self.labels, self.lines = names, narrow(labels), lines

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> PackedEntries: ...
    def __getitem__(self, index: int | slice) -> Entry | PackedEntries:
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        return Entry(self.names[index], self.labels[index].tolist(), int(self.lines[index]))

    def __iter__(self) -> Iterator[Entry]:
        for first, name in enumerate(self.names):
            yield Entry(name, self.labels[first].tolist(), int(self.lines[first]))

    def take(self, rows: NDArray[np.int64]) -> PackedEntries:
        """Return the entries of these numbers, [n]."""
        if isinstance(self.lines, range):  # not through a list of all its numbers
            lines = (rows * self.lines.step + self.lines.start).astype(np.int32)
        else:
            lines = self.lines[rows]
        return PackedEntries(self.names.take(rows), self.labels[rows], lines)


def pack(entries: Sequence[Entry]) -> PackedEntries | None:
    """Return the packed form of entries; None where images have different numbers of labels."""
    if isinstance(entries, PackedEntries):
        return entries
    if not entries or len({np.shape(entry.label) for entry in entries}) > 1:
        return None
    try:
        names = PackedStrings.of(entry.name for entry in entries)
        labels = np.array([entry.label for entry in entries])
    except (UnicodeEncodeError, AttributeError, OverflowError):
        return None
    if labels.dtype.kind not in "iu":
        return None
    lines = np.fromiter((entry.line for entry in entries), np.int32, len(entries))
    return PackedEntries(names, labels, _as_range(lines))


def bounds_of(lengths: NDArray[np.int64]) -> NDArray[Any]:
    """Return where strings of these lengths begin and end, [N + 1], uint32 if it suffices."""
    bounds = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=bounds[1:])
    return bounds.astype(np.uint32) if bounds[-1] < 2**32 else bounds


def narrow(numbers: NDArray[Any]) -> NDArray[Any]:
    """Return whole numbers in the narrowest signed type that holds them."""
    low, high = int(numbers.min(initial=0)), int(numbers.max(initial=0))
    return numbers.astype(np.min_scalar_type(min(low, -high - 1)), copy=False)


def _as_range(lines: NDArray[Any]) -> NDArray[Any] | range:
    """Return numbers that count up without a gap as a range, and others as they are."""
    first = int(lines[0])
    if np.array_equal(lines, np.arange(first, first + len(lines))):
        return range(first, first + len(lines))
    return lines if lines.any() else np.broadcast_to(np.int32(0), lines.shape)
