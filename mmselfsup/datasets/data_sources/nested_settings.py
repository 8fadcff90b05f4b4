"""Objects that a data source makes from a dict of settings, such as ``retry=dict(tries=6)``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from mmselfsup.utils.errors import ArgumentError

T = TypeVar("T")


def from_settings(make: Callable[..., T], key: str, settings: Any, *args: Any) -> T:
    """Return ``make(*args, **settings)``.

    Args:
        make: A class or a function.
        key: The name of the settings, for errors.
        settings: A dict; None for an empty one.
        *args: Arguments in front that are no settings.

    Raises:
        ArgumentError: It is no dict, has a key that ``make`` does not know, or lacks one.
    """
    if settings is not None and not isinstance(settings, Mapping):
        raise ArgumentError(f"{key} must be a dict, got {settings!r}")
    settings = dict(settings or {})
    parameters = list(inspect.signature(make).parameters.values())[len(args) :]
    known = ", ".join(parameter.name for parameter in parameters)
    for name in settings:
        if name not in {parameter.name for parameter in parameters}:
            raise ArgumentError(f"{key} has no key {name!r}; it has {known}")
    for parameter in parameters:
        if parameter.default is parameter.empty and parameter.name not in settings:
            raise ArgumentError(f"{key} needs the key {parameter.name!r}; it has {known}")
    return make(*args, **settings)
