"""Text of values that JSON has no form for, the same in every process."""

from __future__ import annotations

import functools
import re
import sys
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def stable_text(value: Any, inside: tuple[int, ...] = ()) -> str:
    """Return a text for hashes, the ``default`` of ``json.dumps``; ``str`` may hold an address.

    A function is its name and what it does; an object without a text of its own is its class and
    its attributes.

    Args:
        value: The value.
        inside: What it is a part of, by ``id``: a value may hold itself.
    """
    if isinstance(value, type):
        # A config is read as a module of a name made up, which is gone afterwards.
        module = f"{value.__module__}." if value.__module__ in sys.modules else ""
        return f"{module}{value.__qualname__}"
    if id(value) in inside:
        return "..."
    inside = (*inside, id(value))
    if isinstance(value, FunctionType):
        outer = [cell.cell_contents for cell in value.__closure__ or () if cell != CellType()]
        given = value.__defaults__, value.__kwdefaults__, outer
        return f"{value.__qualname__} {_code(value.__code__)} {_plain(given, inside)}"
    if isinstance(value, MethodType):
        return f"{stable_text(value.__func__, inside)} of {_plain(value.__self__, inside)}"
    if isinstance(value, functools.partial):
        return f"{stable_text(value.func, inside)} {_plain((value.args, value.keywords), inside)}"
    text = str(value)
    if not _ADDRESS.search(text):
        return text
    known = hasattr(value, "__dict__")
    rest = _plain(vars(value), inside) if known else _ADDRESS.sub("", text)
    return f"{stable_text(type(value))} {rest}"


def _code(code: CodeType) -> str:
    """Return what a function does; where its file lies does not count."""
    values = [_code(c) if isinstance(c, CodeType) else _plain(c) for c in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {values}"


def _plain(value: Any, inside: tuple[int, ...] = ()) -> str:
    """Return the text of a value and of what is in it."""
    if isinstance(value, (dict, set, frozenset, list, tuple)):
        if id(value) in inside:
            return "..."
        inside = (*inside, id(value))
    if isinstance(value, dict):
        return str(sorted((_plain(k, inside), _plain(v, inside)) for k, v in value.items()))
    if isinstance(value, (set, frozenset)):
        return str(sorted(_plain(item, inside) for item in value))
    if isinstance(value, (list, tuple)):
        return str([_plain(item, inside) for item in value])
    return repr(value) if isinstance(value, str) else stable_text(value, inside)
