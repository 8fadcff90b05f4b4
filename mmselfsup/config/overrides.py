"""Overrides ``key=value`` of a command line."""

import ast
import copy
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mmselfsup.utils.errors import UserError

_CLOSING = {"(": ")", "[": "]", "{": "}"}
_WORDS = {"true": True, "false": False}


def parse_options(options: Iterable[str]) -> dict[str, Any]:
    """Read ``key=value`` in mmcv's syntax or in Python's.

    ``a.b=1``, ``a=1,2`` (a list), ``a=[1,2]``, ``a=(1,2)``, ``a="[(1,2),(3,4)]"``, ``a=[x,y]``
    (strings), ``a="{'b': 1}"`` (a dict). Text in quotes is always a string: ``a="'one, two'"``.
    So is the name of a file or folder that is there (``a="my images, 2024"``); ``~/`` at the
    beginning is the home folder, since shells leave it in ``a.b=~/images``.

    Difference from mmcv: blanks inside a value stay, and quotes protect commas, brackets and
    digits.

    Raises:
        UserError: An option has no ``=``, or its brackets don't match.
    """
    parsed = {}
    for option in options:
        key, equals, text = option.partition("=")
        if not equals or not key:
            raise UserError(f"--cfg-options {option}: write KEY=VALUE, without blanks around =")
        try:
            parsed[key] = text if _is_path_with_comma(text) else parse_value(text)
        except ValueError as error:
            raise UserError(f"--cfg-options {option}: {error}") from None
    return parsed


def joined(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return overrides of which none takes another one away, as a dict of dotted keys.

    mmcv sets ``optimizer`` after ``optimizer.lr`` in place of it: ``optimizer.lr=0.5
    optimizer="{'momentum': 0.8}"`` would leave the learning rate of the file, and so would two
    values of ``optimizer.paramwise_cfg`` in this way. Here dicts are joined, at any depth and in
    either order; where two values are at one place, the later one counts.
    """
    found: dict[str, Any] = {}
    for key, value in overrides.items():
        value = copy.deepcopy(value)
        for inner in [name for name in found if name.startswith(f"{key}.")]:
            before = found.pop(inner)
            if isinstance(value, dict):
                value = _union(_nested(inner[len(key) + 1 :], before), value)
        outer = next((name for name in found if key.startswith(f"{name}.")), key)
        inside = key[len(outer) + 1 :]
        if inside and _takes(found[outer], inside.split(".")):
            found[outer] = _union(found[outer], _nested(inside, value))
        else:
            found[key] = value
    return found


def wrong_entry(node: Any, key: str, value: Any) -> str:
    """Return what is wrong with an override's way through lists of a config, '' if nothing is."""
    at = ""
    for name in key.split("."):
        if isinstance(node, list | tuple):
            if not (name.isdecimal() and int(name) < len(node)):
                entries = ", ".join(f"{i} ({_word(entry)})" for i, entry in enumerate(node))
                return f"{at} is a list without an entry {name}; it has {entries or 'none'}"
            node = node[int(name)]
        else:
            node = node.get(name) if hasattr(node, "get") else None  # also of an mmcv.Config
        at = f"{at}.{name}".lstrip(".")
    one = isinstance(node, Mapping) and not isinstance(value, Mapping)
    return f"{at} is a dict: set its entries" if one else ""


def _word(entry: Any) -> str:
    """Return a word for an entry of a list."""
    if isinstance(entry, Mapping):
        return str(entry.get("type", "a dict"))
    return "a list" if isinstance(entry, list | tuple) else str(entry)


def _nested(key: str, value: Any) -> dict[str, Any]:
    """Return a value below dicts, one for each name of a dotted key."""
    for name in reversed(key.split(".")):
        value = {name: value}
    nested: dict[str, Any] = value
    return nested


def _takes(node: Any, path: Sequence[str]) -> bool:
    """Return whether a place below a node can be set: only dicts lead there."""
    for name in path:
        if not isinstance(node, dict):
            return False
        node = node.get(name, {})
    return True


def _union(first: Any, second: Any) -> Any:
    """Return two values of one place: of dicts the entries of both, else the second value."""
    if not (isinstance(first, dict) and isinstance(second, dict)):
        return second
    return {**first, **{k: _union(first[k], v) if k in first else v for k, v in second.items()}}


def parse_value(text: str) -> Any:
    """Read one value.

    Raises:
        ValueError: Brackets don't match, or a dict isn't in Python's syntax.
    """
    text = text.strip()
    quoted = _literal(text) if text[:1] in ("'", '"') else None
    if isinstance(quoted, str):
        return quoted
    parts = list(_split(text))
    if len(parts) > 1:
        return [parse_value(part) for part in parts if part.strip()]
    if text.startswith("{"):
        return _dict(text)
    if text[:1] in _CLOSING and text.endswith(_CLOSING[text[0]]):
        values = [parse_value(part) for part in _split(text[1:-1]) if part.strip()]
        return tuple(values) if text[0] == "(" else values
    return _scalar(text)


def _is_path_with_comma(text: str) -> bool:
    """Return whether a text with commas, not in brackets or quotes, names a file or folder."""
    letters = any(letter.isalpha() for letter in text)
    return "," in text and letters and text[:1] not in "'\"([{" and os.path.exists(text)


def _dict(text: str) -> dict[Any, Any]:
    """Read a dict in Python's syntax."""
    value = _literal(text)
    if not isinstance(value, dict):
        raise ValueError("not a dict as Python writes it")
    return value


def _split(text: str) -> Iterator[str]:
    """Split at the commas that are outside of brackets and of quoted elements.

    Raises:
        ValueError: There are commas, and a bracket or quote isn't closed.
    """
    if "," not in text:
        yield text
        return
    # ``fresh``: an element has just begun, so that a quote opens a quoted one.
    start, open_brackets, quote, fresh = 0, "", "", True
    for i, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote and text[i - 1] != "\\" else quote
        elif letter in "'\"" and fresh:  # inside a word it is an apostrophe
            quote = letter
        elif letter in _CLOSING:
            open_brackets += letter
        elif letter in _CLOSING.values():
            if not open_brackets or _CLOSING[open_brackets[-1]] != letter:
                raise ValueError("brackets don't fit")
            open_brackets = open_brackets[:-1]
        elif letter == "," and not open_brackets:
            yield text[start:i]
            start = i + 1
        fresh = letter in "([{,:" or (fresh and letter == " ")
    if open_brackets or quote:
        raise ValueError(f"{(quote or open_brackets)[-1]} is not closed")
    yield text[start:]


def _literal(text: str) -> Any:
    """Read a value in Python's syntax; return None for anything else."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _scalar(text: str) -> Any:
    """Read a number, True, False or None; return anything else as a string."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    if text == "None":
        return None
    path = os.path.expanduser(text) if text.startswith("~/") else text
    return _WORDS.get(text.lower(), path)
