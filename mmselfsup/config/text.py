"""A config as text that Python can read, and back; mmcv's formatter takes seconds for it."""

import ast
import keyword
import math
import os
import re
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

import numpy as np

_WIDTH = 100
_NOT_FINITE = ("float('inf')", "float('-inf')", "float('nan')")
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def config_text(config: Mapping[str, Any]) -> str:
    """Return ``key = value`` for each key of a config, nested values indented.

    Every value can be read again, by Python and by ``read_config_text``: numbers of numpy are
    written as numbers, paths as texts, members of an enumeration by their names, infinity as
    ``float('inf')``. Of a class or a function there is the name, as a text.

    Args:
        config: The config's dict.
    """
    lines = [f"{key} = {_value(value, len(key) + 3, 0)}" for key, value in config.items()]
    return "\n".join(lines) + "\n"


def _value(value: Any, used: int, indent: int) -> str:
    """Return one value: on one line where it fits after ``used`` columns, else an item per line."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        named = all(_is_name(key) for key in value)
        opening, closing = ("dict(", ")") if named else ("{", "}")
        keys = [f"{key}=" if named else f"{key!r}: " for key in value]
        items: Iterable[Any] = value.values()
    elif isinstance(value, list | tuple):
        opening, closing = ("[", "]") if isinstance(value, list) else ("(", ")")
        keys, items = [""] * len(value), value
        if isinstance(value, tuple) and len(value) == 1:
            closing = ",)"
    else:
        return _single(value)
    inner = indent + 4
    parts = [
        key + _value(item, inner + len(key) + 1, inner)
        for key, item in zip(keys, items, strict=True)
    ]
    line = opening + ", ".join(parts) + closing
    if used + len(line) <= _WIDTH and "\n" not in line:
        return line
    space = " " * inner
    body = "".join(f"{space}{part},\n" for part in parts)
    # The comma of a tuple with one item is part of the body here.
    return f"{opening}\n{body}{' ' * indent}{closing.lstrip(',')}"


def _single(value: Any) -> str:
    """Return a value without parts, as Python reads it."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"float({str(value)!r})"
    if isinstance(value, os.PathLike):
        return repr(os.fspath(value))
    if isinstance(value, Enum):
        return repr(value.name)
    text = repr(value)
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError):
        name = getattr(value, "__qualname__", None)
        return repr(f"{value.__module__}.{name}" if name else _ADDRESS.sub("", text))
    return text


def _is_name(key: Any) -> bool:
    """Return whether a key can be a keyword argument in a call."""
    return isinstance(key, str) and key.isidentifier() and not keyword.iskeyword(key)


def read_config_text(text: str) -> dict[str, Any]:
    """Return the values in a text of ``config_text`` (or of mmcv), without running it.

    Returns:
        The value of each key; what is no plain value stays the text of its expression. Empty if the
        text is no Python.
    """
    try:
        lines = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    return {
        target.id: _plain(line.value)
        for line in lines
        if isinstance(line, ast.Assign)
        for target in line.targets
        if isinstance(target, ast.Name)
    }


def _plain(node: ast.expr) -> Any:
    """Return the value of an expression of literals, ``dict(key=value)`` and ``float('inf')``."""
    called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
    if isinstance(node, ast.Call) and called == "dict":
        return {word.arg: _plain(word.value) for word in node.keywords if word.arg is not None}
    if isinstance(node, ast.Call) and ast.unparse(node) in _NOT_FINITE:
        return float(ast.literal_eval(node.args[0]))
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return {_plain(key): _plain(value) for key, value in pairs if isinstance(key, ast.Constant)}
    if isinstance(node, ast.List | ast.Tuple):
        return [_plain(item) for item in node.elts]
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return ast.unparse(node)
