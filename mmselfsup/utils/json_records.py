"""Dataclasses read from JSON: every value has the type of its field, or the error names its key."""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import ArgumentError

_Record = TypeVar("_Record")
_SHOWN = 40  # letters of a value in a message
_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def from_json(cls: type[_Record], data: Any, key: str = "") -> _Record:
    """Return a dataclass from the JSON that ``asdict`` and ``atomic_write_json`` made of it.

    Fields may be plain values, dataclasses, lists, tuples ``tuple[X, ...]``, mappings
    ``dict[str, X]``, ``X | None`` and ``Any``. A field with a default may be absent, so that files
    of older versions are read. ``null`` in place of a number is NaN, as ``json_value`` writes it.

    Args:
        cls: The dataclass.
        data: The content of the file.
        key: Place of ``data`` in the file, for errors.

    Raises:
        ArgumentError: A key is missing or unknown, or its value is of another type.
    """
    if not isinstance(data, Mapping):
        raise _wrong(key, data, "an object with keys")
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    start = f"{key}." if key else ""
    for name in data:
        if name not in fields:
            raise ArgumentError(f"the key {start}{name} is not known")
    hints: dict[str, Any] = _hints(cls)  # type: ignore[arg-type]
    values = {}
    for name, field in fields.items():
        if name in data:
            values[name] = _value(hints[name], data[name], f"{start}{name}")
        elif field.default is field.default_factory is dataclasses.MISSING:
            raise ArgumentError(f"the key {start}{name} is missing")
    return cls(**values)


@cache
def _hints(cls: type) -> dict[str, Any]:
    """Return the types of the fields of a dataclass."""
    return get_type_hints(cls)


def _value(kind: Any, value: Any, key: str) -> Any:
    """Return the value of one field."""
    origin, args = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        (inner,) = (arg for arg in args if arg is not type(None))
        return _value(inner, value, key)
    if dataclasses.is_dataclass(kind):
        return from_json(kind, value, key)  # type: ignore[arg-type]
    if origin in (list, tuple):
        return _items(origin, args[0], value, key)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise _wrong(key, value, "an object with keys")
        return {name: _value(args[1], item, f"{key}.{name}") for name, item in value.items()}
    return _plain(kind, value, key)


def _items(make: Callable[[Any], Any], kind: Any, value: Any, key: str) -> Any:
    """Return a list or tuple."""
    if not isinstance(value, list | tuple):
        raise _wrong(key, value, "a list")
    return make(_value(kind, item, f"{key}[{place}]") for place, item in enumerate(value))


def _plain(kind: Any, value: Any, key: str) -> Any:
    """Return a plain value."""
    if kind is float and value is None:
        return math.nan
    wanted = (int, float) if kind is float else kind
    # True is an int for Python.
    if not isinstance(value, wanted) or isinstance(value, bool) is not (kind is bool):
        raise _wrong(key, value, _WORDS.get(kind, f"a {kind.__name__}"))
    return value


def _wrong(key: str, value: Any, wanted: str) -> ArgumentError:
    """Return the error about a value of another type."""
    shown = repr(value)
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
    return ArgumentError(f"{key or 'the content'} must be {wanted}, got {shown}")
