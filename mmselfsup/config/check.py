"""The check of a whole config for keys that nothing reads.

Helper variables of config files: names that a file assigns to use them further below::

    img_norm_cfg = dict(mean=..., std=...)
    train_pipeline = [..., dict(type='Normalize', **img_norm_cfg)]

mmcv puts every name of a file into the config, where they look like settings.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mmcv import Config

from .schema import AUTO, value_fault
from .sections import PLAIN, SECTIONS
from .walker import HELPERS, Findings, Walker

# How alike two names are, 0 to 1, of which one is taken for the other misspelt: ``log_cfg`` and
# ``log_config`` have 0.82, ``dataset`` and ``data`` 0.73.
_MISSPELT = 0.8


def check_config(cfg: Config, filename: str | None = None, overrides: Iterable[str] = ()) -> None:
    """Check that every key of a config is known to the code that reads it, and what values fit it.

    The check covers the top level, the model with all its parts, data sets with their sources and
    pipelines, hooks, optimizer, schedules and runner. Helper variables of the file, which mmcv
    leaves in the config, are removed from it, so that a config that is written to a file passes
    the check again. Other names at the top level that nothing knows stay in it, see
    ``unread_names``; they are a fault only where they look like a misspelt setting.

    Args:
        cfg: The config with overrides merged; helper variables are removed.
        filename: The file it came from, where there is one.
        overrides: Settings of the command line, as dotted keys or ``key=value``.

    Raises:
        UserError: A key or a type is unknown (the message names it, the nearest valid one and all
            valid ones), or a value is of the wrong type or out of range.
    """
    keys = [override.partition("=")[0] for override in overrides]
    findings = Findings(filename, keys)
    walker = Walker(findings)
    helpers = set(HELPERS)
    if filename is not None and Path(filename).is_file():
        helpers |= helper_variables(filename)
    content = cfg._cfg_dict
    overridden = {key.partition(".")[0] for key in keys}
    for key in list(content):
        fault = value_fault(content, key)
        if fault is not None:
            findings.add(*fault)
        elif key in SECTIONS:
            SECTIONS[key](walker, content[key], content)
        elif key not in (*PLAIN, *helpers) and (key in overridden or _looks_misspelt(key, content)):
            findings.unknown_key(key, (*SECTIONS, *PLAIN), "a config")
        if key in overridden and _has_no_reader(key, content, helpers):
            findings.add(
                key,
                f"{key!r} is a variable of the config file, and what is built from it is built "
                "already; set the key that is used, such as optimizer.lr or data.train.pipeline",
            )
    findings.raise_first()
    for key in helpers.difference(SECTIONS, PLAIN).intersection(content):
        content.pop(key)


def unread_names(cfg: Config) -> list[str]:
    """Return the names at the top level of a checked config that no setting has.

    They are variables of the file (a config that mmcv has written, as in each work dir of 0.x, has
    them all without a trace of their use), or settings of code outside this package.
    """
    return [key for key in cfg._cfg_dict if key not in (*SECTIONS, *PLAIN, *HELPERS)]


def _looks_misspelt(key: str, content: Mapping[str, Any]) -> bool:
    """Return whether an unknown name is close to that of a setting, and its value isn't used.

    The value of a helper variable appears in the settings that were made from it.
    """
    if not get_close_matches(key.lower(), (*SECTIONS, *PLAIN), n=1, cutoff=_MISSPELT):
        return False
    value = content[key]
    if not isinstance(value, Mapping | list | tuple) or not value:
        return True
    return not any(_contains(part, value) for name, part in content.items() if name in SECTIONS)


def _contains(part: Any, value: Any) -> bool:
    """Return whether a value is ``part`` or anywhere inside it."""
    if part == value:
        return True
    items = part.values() if isinstance(part, Mapping) else part
    return isinstance(part, Mapping | list | tuple) and any(_contains(x, value) for x in items)


def _has_no_reader(key: str, content: Mapping[str, Any], helpers: set[str]) -> bool:
    """Return whether a key is used while the file is read, but not afterwards."""
    if key == "img_norm_cfg":  # loaders read it where they normalise
        return not content.get("prefetch") and content[key] != AUTO
    return key in helpers and key not in SECTIONS and key not in PLAIN


def helper_variables(filename: str) -> set[str]:
    """Return names that the config file or one of its bases assigns and reads, or imports.

    A name counts as read where the same file uses it, and where a file that is based on it contains
    ``{{_base_.name}}``. Files that are not Python have no variables.
    """
    helpers: set[str] = set()
    for tree in _trees(Path(filename), set()):
        # Not every assigned name: a misspelled setting is assigned, too, but never read.
        helpers |= _assigned(tree) & _read(tree)
        helpers |= _read_from_base(tree) | _imported(tree)
    return helpers - {"_base_"}


def _trees(path: Path, seen: set[Path]) -> Iterator[ast.Module]:
    """Yield the syntax trees of a file and of all its bases."""
    path = path.resolve()
    if path in seen or path.suffix != ".py" or not path.is_file():
        return
    seen.add(path)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield tree
    for base in _bases(tree):
        yield from _trees(path.parent / base, seen)


def _bases(tree: ast.Module) -> list[str]:
    """Return the paths in ``_base_``; none where they are not written as literals."""
    for node in tree.body:
        names = [t.id for t in getattr(node, "targets", []) if isinstance(t, ast.Name)]
        if isinstance(node, ast.Assign) and "_base_" in names:
            try:
                value = ast.literal_eval(node.value)
            except ValueError:
                return []
            return [value] if isinstance(value, str) else list(value)
    return []


def _assigned(tree: ast.Module) -> set[str]:
    """Return names that get a value anywhere outside functions and comprehensions."""
    nodes = (node for part in tree.body for node in ast.walk(part))
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _read(tree: ast.Module) -> set[str]:
    """Return names whose value is used."""
    nodes = ast.walk(tree)
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def _imported(tree: ast.Module) -> set[str]:
    """Return names that an import binds."""
    aliases = (
        alias
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    )
    return {alias.asname or alias.name for alias in aliases}


def _read_from_base(tree: ast.Module) -> set[str]:
    """Return the ``x`` of every ``{{_base_.x...}}``, which Python parses as a set in a set."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "_base_"
    }
