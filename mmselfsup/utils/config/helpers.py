"""Helper variables of config files: names that a file assigns in order to read them again.

    img_norm_cfg = dict(mean=..., std=...)
    train_pipeline = [..., dict(type='Normalize', **img_norm_cfg)]

mmcv puts every name of a file into the config, so they look like settings.
"""

import ast
from collections.abc import Iterator
from pathlib import Path


def helper_variables(filename: str) -> set[str]:
    """Names that the config file or one of its bases assigns and reads again, or imports.

    A name counts as read where a file uses it after all, and where a file that is based on it
    says ``{{_base_.name}}``. Files that are not Python have no variables.
    """
    found: set[str] = set()
    for tree in _trees(Path(filename), set()):
        found |= _assigned(tree) & _read(tree)
        found |= _read_from_base(tree) | _imported(tree)
    return found - {"_base_"}


def _trees(path: Path, seen: set[Path]) -> Iterator[ast.Module]:
    """The syntax trees of a file and, below it, of its bases."""
    path = path.resolve()
    if path in seen or path.suffix != ".py" or not path.is_file():
        return
    seen.add(path)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield tree
    for base in _bases(tree):
        yield from _trees(path.parent / base, seen)


def _bases(tree: ast.Module) -> list[str]:
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
    """Names that get a value anywhere outside functions and comprehensions."""
    nodes = (node for part in tree.body for node in ast.walk(part))
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _read(tree: ast.Module) -> set[str]:
    nodes = ast.walk(tree)
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def _imported(tree: ast.Module) -> set[str]:
    aliases = (
        alias
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    )
    return {alias.asname or alias.name for alias in aliases}


def _read_from_base(tree: ast.Module) -> set[str]:
    """The ``x`` of every ``{{_base_.x...}}``, which is a set in a set to Python."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "_base_"
    }
