"""The modules that a config names in ``custom_imports``: those of its bases too, and their errors.

mmcv lets the list of a config replace that of its base, whose classes are then unknown, and hides
why a module can't be imported.
"""

import importlib
import logging
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmcv import Config

from mmselfsup.utils.errors import UserError, one_line

_KEY = "custom_imports"
# Folders of code that isn't the user's: a fault shows where the user's code called it.
_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})
_NOWHERE = traceback.FrameSummary("", 0, "", line="import")


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
    imports = imports if isinstance(imports, list | tuple) else []
    return [name for name in imports if isinstance(name, str)]


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
    _check_form(value, where)
    for name in names_in(cfg):
        try:
            module = importlib.import_module(name)
        except (Exception, SystemExit) as error:  # the code of a module may raise anything
            message = f"{where}: {_KEY}: {_reason(name, error)}"
            if not value.get("allow_failed_imports"):
                raise UserError(message) from error
            _warn("%s; it goes on without (allow_failed_imports)", message)
            continue
        if getattr(module, "__file__", None) is None and hasattr(module, "__path__"):
            _warn("%s: %s: %s is a folder without code: nothing was imported", where, _KEY, name)


def _warn(text: str, *values: str) -> None:
    """Log a warning."""
    logging.getLogger("mmselfsup").warning(text, *values)


def _check_form(value: Any, where: str) -> None:
    """Check that ``custom_imports`` lists names of modules.

    Raises:
        UserError: It has another form.
    """
    if not isinstance(value, dict):
        raise UserError(f"{where}: {_KEY} must be a dict, such as dict(imports=['a.b'])")
    imports = value.get("imports")
    if imports is not None and not isinstance(imports, str | list | tuple):
        raise UserError(f"{where}: {_KEY}.imports must be a list of modules, got {imports!r}")
    for name in [imports] if isinstance(imports, str) else imports or []:
        if not isinstance(name, str) or not all(map(str.isidentifier, name.split("."))):
            raise UserError(
                f"{where}: {_KEY}.imports: {name!r} is no name of a module: give names with dots, "
                "such as 'my_package.my_module' for my_package/my_module.py"
            )


def _reason(name: str, error: BaseException) -> str:
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
    if isinstance(error, SystemExit):
        return f"{name}: {_place(error)}: the module ends the program ({one_line(error)})"
    text = one_line(error) or f"at {(_frame(error) or _NOWHERE).line!r}"
    return f"{name}: {_place(error)}: {type(error).__name__}: {text}"


def _place(error: BaseException) -> str:
    """Return the file and the line of the user's code that failed."""
    frame = _frame(error)
    return f"{frame.filename}, line {frame.lineno}" if frame else "in its import"


def _frame(error: BaseException) -> traceback.FrameSummary | None:
    """Return the last frame outside of installed packages, or else of Python's import system."""
    frames = traceback.extract_tb(error.__traceback__)
    others = [f for f in frames if "importlib" not in f.filename and f.filename != __file__]
    own = [f for f in others if not f.filename.startswith(_INSTALLED)]
    found = own or others
    return found[-1] if found else None
