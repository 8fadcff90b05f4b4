"""The modules that a config names in ``custom_imports``: those of its bases too, and their errors.

mmcv lets the list of a config replace that of its base, whose classes are then unknown, and hides
why a module can't be imported.
"""

import importlib
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmcv import Config

from mmselfsup.utils.errors import UserError, one_line

_KEY = "custom_imports"


@contextmanager
def noted_imports() -> Iterator[list[str]]:
    """Note the modules of every file that mmcv reads within the block, bases first."""
    read = Config._file2dict
    modules: list[str] = []

    def noting(*args: Any, **kwargs: Any) -> Any:
        content, text = read(*args, **kwargs)  # a base is read, and noted, within this call
        modules.extend(name for name in names_in(content) if name not in modules)
        return content, text

    Config._file2dict = staticmethod(noting)
    try:
        yield modules
    finally:
        Config._file2dict = staticmethod(read)


def names_in(content: Any) -> list[str]:
    """Return the modules that a config names; none where the key has another form."""
    value = content.get(_KEY)
    imports = value.get("imports") if isinstance(value, dict) else None
    imports = [imports] if isinstance(imports, str) else imports
    return [name for name in imports or [] if isinstance(name, str)]


def join_imports(cfg: Any, before: list[str]) -> None:
    """Put the modules of the bases in front of those of a config.

    Args:
        cfg: The config, or its dict.
        before: The modules of its bases, or of the file whose values were overridden.
    """
    joined = list(dict.fromkeys([*before, *names_in(cfg)]))
    if joined and joined != names_in(cfg):
        cfg[_KEY] = {**(cfg.get(_KEY) or {}), "imports": joined}


def import_modules(cfg: Any, where: str) -> None:
    """Import what ``custom_imports`` names.

    Args:
        cfg: The config; without the key nothing is imported.
        where: Where the key stands, for errors.

    Raises:
        UserError: A module can't be imported: which one, why, and where in its code.
    """
    value = cfg.get(_KEY) or {}
    imports = value.get("imports")
    if imports is not None and not isinstance(imports, str | list | tuple):
        raise UserError(f"{where}: {_KEY}.imports must be a list of modules, got {imports!r}")
    for name in names_in(cfg):
        try:
            importlib.import_module(name)
        except Exception as error:  # the code of a module may raise anything
            message = f"{where}: {_KEY}: {_reason(name, error)}"
            if not value.get("allow_failed_imports"):
                raise UserError(message) from error
            logging.getLogger("mmselfsup").warning(
                "%s; it goes on without (allow_failed_imports)", message
            )


def _reason(name: str, error: Exception) -> str:
    """Return why a module can't be imported, and what to do."""
    missing = getattr(error, "name", None)
    if isinstance(error, ModuleNotFoundError) and missing:
        if name == missing or name.startswith(f"{missing}."):
            return (
                f"there is no module {missing!r}; set PYTHONPATH to the folder that contains it, "
                "or install it"
            )
        return (
            f"{name} needs the module {missing!r}, which is not there ({_place(error)}); install "
            "it, or set PYTHONPATH to the folder that contains it"
        )
    if isinstance(error, SyntaxError):
        return f"{name}: {error.filename}, line {error.lineno}: syntax error: {error.msg}"
    return f"{name}: {_place(error)}: {type(error).__name__}: {one_line(error)}"


def _place(error: Exception) -> str:
    """Return the file and the line that failed, outside of Python's import system."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "importlib" not in f.filename and f.filename != __file__]
    return f"{own[-1].filename}, line {own[-1].lineno}" if own else "in its import"
