"""From a file name and overrides to a checked config."""

import copy
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from mmcv import Config
from mmcv.utils import import_modules_from_strings

from mmselfsup.utils.config import check_config
from mmselfsup.utils.errors import UserError, one_line

from .options import parse_options

#: What mmcv raises where an override doesn't fit the config.
_MISFIT = (KeyError, TypeError, ValueError, IndexError, AttributeError, AssertionError)


def load_config(filename: str, options: Sequence[str] | dict[str, Any] = ()) -> Config:
    """Read a config with its bases, apply the overrides, refuse unknown keys.

    Args:
        filename: a ``.py``, ``.json`` or ``.yaml`` file.
        options: overrides, as ``key=value`` or as a dict of dotted keys.

    Raises:
        UserError: the file is missing or wrong (with file and line), an override doesn't fit, or
            a key is unknown.
    """
    cfg = read_config(filename, options)
    overrides = options if isinstance(options, dict) else parse_options(options)
    check_config(cfg, filename, overrides)
    return cfg


def read_config(filename: str, options: Sequence[str] | dict[str, Any] = ()) -> Config:
    """Like :func:`load_config`, but without looking at the keys."""
    if not Path(filename).is_file():
        raise UserError(f"there is no config {filename}: check the path")
    try:
        cfg = Config.fromfile(filename)
    except Exception as error:  # whatever the code in a config may raise
        message = _describe(error, filename)
        _close_temporary_files(error)
        raise UserError(message) from error
    overrides = options if isinstance(options, dict) else parse_options(options)
    try:
        cfg.merge_from_dict(overrides)
    except _MISFIT as error:
        keys = ", ".join(_misfits(cfg, overrides))
        raise UserError(f"--cfg-options {keys}: {one_line(error)}") from error
    if any(key.partition(".")[0] == "custom_imports" for key in overrides):
        _import_modules(cfg)
    return cfg


def _misfits(cfg: Config, overrides: dict[str, Any]) -> list[str]:
    """The keys that can't be set by themselves; all of them where only the whole doesn't fit."""
    found = []
    for key, value in overrides.items():
        try:
            copy.deepcopy(cfg).merge_from_dict({key: value})
        except _MISFIT:
            found.append(key)
    return found or list(overrides)


def _import_modules(cfg: Config) -> None:
    """Import what an override of `custom_imports` names; mmcv imports what the file names."""
    try:
        import_modules_from_strings(**cfg.custom_imports)
    except Exception as error:  # whatever the code of a module may raise
        cause = error.__context__ or error  # mmcv's own ImportError says nothing
        raise UserError(
            f"--cfg-options custom_imports: {type(cause).__name__}: {one_line(cause)}; give "
            "\"{'imports': ['package.module']}\", and PYTHONPATH where to find it"
        ) from error


def _close_temporary_files(error: BaseException) -> None:
    """Close mmcv's copies of the config now: later they complain that their folder has gone."""
    entry = error.__traceback__
    while entry is not None:
        file = entry.tb_frame.f_locals.get("temp_config_file")
        if file is not None:
            with suppress(OSError):
                file.close()
        entry = entry.tb_next


def _describe(error: BaseException, filename: str) -> str:
    """File, line and what is wrong there; the file may be one of the bases."""
    if isinstance(error, SyntaxError):
        cause = error.__context__ if isinstance(error.__context__, SyntaxError) else error
        where, line = _place(error.__traceback__, filename)
        return f"{where}, line {cause.lineno or line}: syntax error: {cause.msg}"
    where, line = _place(error.__traceback__, filename)
    at = f", line {line}" if line else ""
    return f"{where}{at}: {type(error).__name__}: {one_line(error)}"


def _place(entry: TracebackType | None, filename: str) -> tuple[str, int]:
    """The config file and the line at which mmcv was when an error came up."""
    line = 0
    while entry is not None:
        frame = entry.tb_frame
        if frame.f_code.co_name == "_file2dict":
            filename, line = str(frame.f_locals.get("filename", filename)), 0
        elif frame.f_code.co_name == "<module>":  # mmcv runs a copy of the file, line by line
            line = entry.tb_lineno
        entry = entry.tb_next
    return filename, line
