"""Read overrides ``key=value`` of a command line."""

import ast
from collections.abc import Iterable, Iterator
from typing import Any

from mmselfsup.utils.errors import UserError

_CLOSING = {"(": ")", "[": "]", "{": "}"}
_WORDS = {"true": True, "false": False}


def parse_options(options: Iterable[str]) -> dict[str, Any]:
    """Read ``key=value`` as mmcv does, or as Python writes values.

    ``a.b=1``, ``a=1,2`` (a list), ``a=[1,2]``, ``a=(1,2)``, ``a="[(1,2),(3,4)]"``, ``a=[x,y]``
    (strings), ``a="{'b': 1}"`` (a dict). Text in quotes is a string, whatever it holds:
    ``a="'one, two'"``.

    Difference from mmcv: blanks inside a value stay, and quotes protect commas, brackets and
    digits.

    Raises:
        UserError: an option has no ``=`` or brackets that don't fit.
    """
    parsed = {}
    for option in options:
        key, equals, text = option.partition("=")
        if not equals or not key:
            raise UserError(f"--cfg-options {option}: write KEY=VALUE, without blanks around =")
        try:
            parsed[key] = parse_value(text)
        except ValueError as error:
            raise UserError(f"--cfg-options {option}: {error}") from None
    return parsed


def parse_value(text: str) -> Any:
    """Read one value.

    Raises:
        ValueError: brackets don't fit, or a dict isn't written as in Python.
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
    return _plain(text)


def _dict(text: str) -> dict[Any, Any]:
    """Read a dict as Python writes it."""
    value = _literal(text)
    if not isinstance(value, dict):
        raise ValueError("not a dict as Python writes it")
    return value


def _split(text: str) -> Iterator[str]:
    """Split at the commas that stand outside of brackets and of quoted elements.

    Raises:
        ValueError: there are commas, and a bracket or quote isn't closed.
    """
    if "," not in text:
        yield text
        return
    start, open_brackets, quote, fresh = 0, "", "", True
    for i, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote and text[i - 1] != "\\" else quote
        elif letter in "'\"" and fresh:  # inside of a word it is an apostrophe
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
    """Read a value as Python writes it; None if it isn't one."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _plain(text: str) -> Any:
    """Read a number, True, False or None; anything else is a string."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    if text == "None":
        return None
    return _WORDS.get(text.lower(), text)
