"""Config files that are data, not programs: YAML and JSON, read without running anything."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from mmcv import Config
from mmcv.fileio.handlers import YamlHandler
from mmcv.fileio.io import file_handlers

from mmselfsup.utils.errors import UserError, one_line

from .imports import join_imports, names_in

_DATA = (".yaml", ".yml", ".json")


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, with the tuples that mmcv's own dumps have."""


def _tuple(loader: yaml.SafeLoader, node: Any) -> tuple[Any, ...]:
    """Return a sequence of the file as a tuple."""
    return tuple(loader.construct_sequence(node, deep=True))


_Loader.add_constructor("tag:yaml.org,2002:python/tuple", _tuple)


class _SafeHandler(YamlHandler):  # type: ignore[misc]
    """mmcv's handler of YAML files with a loader that builds plain values only."""

    def load_from_fileobj(self, file: Any, **kwargs: Any) -> Any:
        return yaml.load(file, Loader=_Loader)  # a subclass of the safe one


@contextmanager
def safe_yaml() -> Iterator[None]:
    """Let mmcv read YAML files, bases included, without running the code that tags may name."""
    before = {name: file_handlers[name] for name in ("yaml", "yml")}
    file_handlers.update(dict.fromkeys(before, _SafeHandler()))
    try:
        yield
    finally:
        file_handlers.update(before)


def read_data_config(filename: str) -> dict[str, Any]:
    """Return a YAML or JSON config with its bases, and run nothing.

    Modules of ``custom_imports`` are not imported, and variables of mmcv (``{{ fileDirname }}``,
    ``{{_base_.key}}``) stay as they are written.

    Raises:
        UserError: The file, or one of its bases, is a program, is missing, or can't be read.
    """
    return _read(Path(filename), ())


def _read(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """Return a file merged into its bases; ``above`` are the files that it is a base of."""
    if path.suffix not in _DATA:
        raise UserError(
            f"{path}: a Python config is a program, and only running it shows its values; read "
            "the file in an editor (--safe shows .yaml, .yml and .json whose bases are such too)"
        )
    if path.resolve() in above:
        raise UserError(f"{path}: it is a base of itself; take it out of _base_")
    if not path.is_file():
        raise UserError(f"there is no config {path}: check the path")
    try:
        text = path.read_text(encoding="utf-8")
        # The loader is a subclass of the safe one.
        content = json.loads(text) if path.suffix == ".json" else yaml.load(text, Loader=_Loader)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise UserError(f"{path}: {type(error).__name__}: {one_line(error)}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: a config is a dict of keys, this file has none")
    bases = content.pop("_base_", [])
    bases = [bases] if isinstance(bases, str) else bases
    if not (isinstance(bases, list | tuple) and all(isinstance(base, str) for base in bases)):
        raise UserError(f"{path}: _base_ must be a path or a list of paths")
    merged: dict[str, Any] = {}
    for base in bases:
        merged.update(_read(path.parent / base, (*above, path.resolve())))
    try:
        whole = dict(Config._merge_a_into_b(content, merged))
    except (TypeError, KeyError, ValueError) as error:
        raise UserError(f"{path}: {one_line(error)}") from error
    join_imports(whole, names_in(merged))
    return whole
