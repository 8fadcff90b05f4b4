"""Reading a text list of many images in blocks of lines, into arrays.

The usual line, an ASCII name without blanks and a label, is found for a whole block at a time;
every other line is read by ``list_lines.parse_line``. Where anything is wrong, ``None`` leaves the
list to ``lists.read_list``, which says what and in which line.

Letters: n lines of a block.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .label_cells import NO_LABEL
from .list_lines import MAX_LABEL, parse_line, text_after_name
from .packed import PackedEntries, PackedStrings, narrow

_BLOCK = 1 << 20  # bytes
_BOM = b"\xef\xbb\xbf"
_NEWLINE, _BLANK, _ZERO = 10, 32, 48
# Bytes that may end a name or belong to an error: control characters, comma, semicolon.
_NOT_PLAIN = bytes({*range(32), *b",;"} - {_NEWLINE})
_DIGITS = 8  # of a label that is found for all lines at once
_Spans = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


class _Unusual(Exception):
    """The list has an error, or several labels for an image."""


def read_packed(path: str) -> PackedEntries | None:
    """Return the entries of a text list; None where ``lists.read_list`` must read it."""
    try:
        return _read(path)
    except (OSError, UnicodeDecodeError, _Unusual):
        return None


def _read(path: str) -> PackedEntries:
    """Return the entries of a list without errors and with one label at most for each image."""
    size = os.path.getsize(path)
    data = np.empty(size, np.uint8)  # takes no memory where it is not written
    lengths, labels = [], []
    lines: list[range | NDArray[np.int32]] = []
    used, line = 0, 1
    for block in _blocks(path):
        begins, ends, values = _spans(block)
        named = np.flatnonzero(ends > begins)
        part = _cut(np.frombuffer(block, np.uint8), begins[named], ends[named])
        data[used : used + len(part)] = part
        used += len(part)
        lengths.append(narrow((ends - begins)[named]))
        labels.append(narrow(values[named]))
        full = len(named) == len(begins)  # no blank line
        lines.append(range(line, line + len(begins)) if full else (named + line).astype(np.int32))
        line += len(begins)
    if not used:
        raise _Unusual
    bounds = np.zeros(sum(map(len, lengths)) + 1, np.uint32 if size < 2**32 else np.int64)
    first = 0
    for part in lengths:
        end = first + len(part)
        bounds[first + 1 : end + 1] = np.cumsum(part, dtype=bounds.dtype) + bounds[first]
        first = end
    names = PackedStrings(data[:used], bounds)
    return PackedEntries(names, np.concatenate(labels), _joined(lines))


def _joined(parts: list[range | NDArray[np.int32]]) -> range | NDArray[np.int32]:
    """Return the line numbers of all blocks."""
    if all(isinstance(part, range) for part in parts):
        return range(parts[0][0], parts[-1][-1] + 1)
    pieces = [np.arange(p.start, p.stop) if isinstance(p, range) else p for p in parts]
    return np.concatenate(pieces).astype(np.int32)


def _blocks(path: str) -> Iterator[bytes]:
    """Yield the file in blocks of whole lines, each of which ends with a newline."""
    with open(path, "rb") as file:
        rest = file.read(len(_BOM))
        rest = b"" if rest == _BOM else rest
        while block := file.read(_BLOCK):
            block = rest + block
            cut = block.rfind(b"\n") + 1
            rest = block[cut:]
            if cut:
                yield _universal(block[:cut])
        if rest:
            yield _universal(rest) + b"\n"


def _universal(block: bytes) -> bytes:
    """Return a block with one kind of newline."""
    return block.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in block else block


def _spans(block: bytes) -> _Spans:
    """Return where the name of each line begins and ends, and its label; all [n].

    Names of blank lines are empty.
    """
    data = np.frombuffer(block, np.uint8)
    newline = np.flatnonzero(data == _NEWLINE)
    begins = np.concatenate(([0], newline[:-1] + 1))
    if not block.isascii() or len(block.translate(None, _NOT_PLAIN)) < len(block):
        block.decode()  # an error here is one of the file
        spans = begins, newline.copy(), np.full(len(begins), NO_LABEL)
        return _parsed(block, spans, newline, np.arange(len(begins)))
    blanks = np.flatnonzero(data == _BLANK)
    up_to = np.searchsorted(blanks, newline)  # blanks before the end of each line
    of_line = np.diff(up_to, prepend=0)
    last = blanks[up_to - 1] if len(blanks) else newline
    cut = np.where(of_line == 1, last, newline)
    value, whole = _integers(data, cut, newline)
    usual = (of_line == 0) | ((of_line == 1) & (cut > begins) & whole)
    spans = begins, cut, np.where(of_line == 1, value, NO_LABEL)
    return _parsed(block, spans, newline, np.flatnonzero(~usual))


def _integers(
    data: NDArray[np.uint8], blank: NDArray[np.int64], end: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the integer between a blank and the end of each line, and whether there is one."""
    digits = end - blank - 1  # [n]
    whole = (digits > 0) & (digits <= _DIGITS)
    value = np.zeros(len(end), np.int64)
    for place in range(int(digits[whole].max(initial=0))):
        here = whole & (digits > place)
        digit = data[end - 1 - place * here] - np.uint8(_ZERO)  # wraps around below "0"
        whole &= ~here | (digit <= 9)
        value += np.where(here, digit.astype(np.int64) * 10**place, 0)
    return value, whole & (value <= MAX_LABEL)


def _parsed(block: bytes, spans: _Spans, end: NDArray[np.int64], rows: NDArray[Any]) -> _Spans:
    """Return the spans with those of some lines read one by one."""
    begins, ends, labels = spans
    starts = begins[rows].tolist()
    for row, start, stop in zip(rows.tolist(), starts, end[rows].tolist(), strict=True):
        text = block[start:stop].decode()
        line = text.strip()
        name, label = parse_line(line) if line else ("", NO_LABEL)
        if isinstance(label, list) or not NO_LABEL <= label <= MAX_LABEL:
            raise _Unusual
        if text_after_name(name) is not None:
            raise _Unusual
        begins[row] = start + len(text[: len(text) - len(text.lstrip())].encode())
        ends[row] = begins[row] + len(name.encode())
        labels[row] = label
    return begins, ends, labels


def _cut(
    data: NDArray[np.uint8], begins: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Return the bytes between ``begins`` and ``ends``, joined."""
    steps = np.zeros(len(data) + 1, np.int8)
    steps[begins], steps[ends] = 1, -1  # no name ends where another begins
    return data[np.cumsum(steps[:-1], dtype=np.int8).view(np.bool_)]
