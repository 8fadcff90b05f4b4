"""The text of the config in a checkpoint, parsed and never run."""

import ast
from collections.abc import Mapping
from typing import Any

from mmselfsup.models.builder import MODELS


def statements(text: Any) -> list[ast.stmt]:
    """Return the statements of a config's text; none of a text that is no Python."""
    try:
        return ast.parse(text if isinstance(text, str) else "").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def entries(node: ast.AST | None) -> dict[str, ast.expr]:
    """Return the entries of ``dict(...)`` or ``{...}`` by name; none of anything else."""
    if isinstance(node, ast.Call):
        return {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return {str(key.value): value for key, value in pairs if isinstance(key, ast.Constant)}
    return {}


def model_entries(text: Any) -> dict[str, ast.expr]:
    """Return the entries of ``model`` of a config's text; none where it has no model."""
    for statement in statements(text):
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "model":
            return entries(statement.value)
    return {}


def type_in(found: Mapping[str, ast.expr]) -> str | None:
    """Return the name that ``type`` has among the entries of a dict, None without one."""
    kind = found.get("type")
    name = kind.value if isinstance(kind, ast.Constant) else None
    return name if isinstance(name, str) else None


def class_in(found: Mapping[str, ast.expr]) -> Any:
    """Return the registered class that ``type`` names among the entries of a dict.

    None without one, and where it is not registered here, such as ``mmdet.ResNet`` without mmdet.
    """
    kind = type_in(found)
    try:
        return None if kind is None else MODELS.get(kind)
    except AttributeError:  # mmcv's registry searches the parent of its root for such a library
        return None
