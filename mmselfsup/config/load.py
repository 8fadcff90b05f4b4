"""From a file name and overrides to a checked config."""

import copy
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from mmcv import Config

from mmselfsup.utils.errors import UserError, one_line

from .check import check_config
from .files import safe_yaml
from .imports import import_modules, join_imports, noted_imports
from .overrides import joined, parse_options, wrong_entry

#: What mmcv raises where an override doesn't fit the config.
_MISFIT = (KeyError, TypeError, ValueError, IndexError, AttributeError, AssertionError)

_FOLDER_VARIABLE = re.compile(r"\{\{\s*fileDirname\s*\}\}")


def load_config(filename: str, options: Sequence[str] | dict[str, Any] = ()) -> Config:
    """Return a config with its bases and overrides applied, and all of its keys checked.

    Args:
        filename: A ``.py``, ``.json`` or ``.yaml`` file.
        options: Overrides, as ``key=value`` or as a dict of dotted keys.

    Raises:
        UserError: The file is missing or invalid (with file and line), an override doesn't fit, or
            a key is unknown.
    """
    cfg = read_config(filename, options)
    overrides = options if isinstance(options, dict) else parse_options(options)
    check_config(cfg, filename, overrides)
    return cfg


def read_config(filename: str, options: Sequence[str] | dict[str, Any] = ()) -> Config:
    """Return a config as ``load_config`` does, but without the check of its keys."""
    if not Path(filename).is_file():
        raise UserError(f"there is no config {filename}: check the path")
    try:
        with safe_yaml(), noted_imports() as modules:
            cfg = Config.fromfile(filename, import_custom_modules=False)
    except Exception as error:  # the code in a config may raise anything
        message = _describe(error, filename)
        _close_temporary_files(error)
        raise UserError(message) from error
    join_imports(cfg, modules)
    import_modules(cfg, filename)
    overrides = options if isinstance(options, dict) else parse_options(options)
    merge_options(cfg, overrides)
    if any(key.partition(".")[0] == "custom_imports" for key in overrides):
        join_imports(cfg, modules)
        import_modules(cfg, "--cfg-options")
    return cfg


def merge_options(cfg: Config, overrides: Mapping[str, Any]) -> None:
    """Put overrides, a dict of dotted keys, into a config.

    Raises:
        UserError: One doesn't fit the config.
    """
    try:
        cfg.merge_from_dict(joined(overrides))
    except _MISFIT as error:
        keys = _misfits(cfg, overrides)
        why = next(filter(None, (wrong_entry(cfg, k, overrides[k]) for k in keys)), one_line(error))
        raise UserError(f"--cfg-options {', '.join(keys)}: {why}") from error


def _misfits(cfg: Config, overrides: Mapping[str, Any]) -> list[str]:
    """Return the keys that can't be set alone; all keys if only their combination doesn't fit."""
    keys = []
    for key, value in overrides.items():
        try:
            copy.deepcopy(cfg).merge_from_dict({key: value})
        except _MISFIT:
            keys.append(key)
    return keys or list(overrides)


def _close_temporary_files(error: BaseException) -> None:
    """Close mmcv's temporary copies of the config, which warn later if their folder is deleted."""
    entry = error.__traceback__
    while entry is not None:
        file = entry.tb_frame.f_locals.get("temp_config_file")
        if file is not None:
            with suppress(OSError):
                file.close()
        entry = entry.tb_next


def _describe(error: BaseException, filename: str) -> str:
    """Return file, line and what is wrong in it; the file may be one of the bases."""
    folder = _unwritable_folder(error)
    if folder:
        return folder
    if isinstance(error, SyntaxError):
        # mmcv raises a SyntaxError of its own, without the line; the original is its context.
        cause = error.__context__ if isinstance(error.__context__, SyntaxError) else error
        where, line = _place(error.__traceback__, filename)
        return f"{where}, line {cause.lineno or line}: syntax error: {cause.msg}"
    where, line = _place(error.__traceback__, filename)
    at = f", line {line}" if line else ""
    return f"{where}{at}: {type(error).__name__}: {one_line(error)}"


def _unwritable_folder(error: BaseException) -> str:
    """Return what to do where the folder put for ``{{ fileDirname }}`` broke a config, else ""."""
    # mmcv writes the folder into the code as it is, but with / for each backslash.
    sign = {SyntaxError: '"', FileNotFoundError: "\\"}.get(type(error))
    entry = error.__traceback__
    while sign and entry is not None:
        name = str(entry.tb_frame.f_locals.get("filename", ""))
        if entry.tb_frame.f_code.co_name == "_file2dict" and sign in str(Path(name).parent):
            with suppress(OSError, ValueError):
                if _FOLDER_VARIABLE.search(Path(name).read_text(encoding="utf-8")):
                    return (
                        f"{name}: this config names its own folder ({{{{ fileDirname }}}}), which "
                        f"can't hold {sign} in its path: rename the folder {Path(name).parent!s}"
                    )
        entry = entry.tb_next
    return ""


def _place(entry: TracebackType | None, filename: str) -> tuple[str, int]:
    """Return the config file and the line that mmcv was reading when an error was raised."""
    line = 0
    while entry is not None:
        frame = entry.tb_frame
        if frame.f_code.co_name == "_file2dict":
            filename, line = str(frame.f_locals.get("filename", filename)), 0
        elif frame.f_code.co_name == "<module>":  # mmcv runs a copy of the file, line by line
            line = entry.tb_lineno
        entry = entry.tb_next
    return filename, line
