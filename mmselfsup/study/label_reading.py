"""Whether weights have read labels, told by the config that their training left beside them.

For what says nothing of it itself: records of older versions, and files of weights. A config is
parsed, never run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mmselfsup.config.inspect import reads_labels
from mmselfsup.utils.errors import UserError

from .starts import split_arm

#: Folders of configs whose method does not work without labels.
LABELLED = frozenset({"supcon"})
#: Files that a training writes into its folder.
_WRITTEN = re.compile(r"(backbone|latest|((epoch|iter)_\d+)|best_.*)\.pth")
_WITH_LABEL = re.compile(r"data\.train\.(?:dataset\.)*with_label=(True|False)")


class _Parsed(dict[str, Any]):
    """The content of a config, as far as it is made of literals."""

    filename = "config"


def any_known(values: Iterable[bool | None]) -> bool | None:
    """Return whether one of them is true; None where none is and one is not known."""
    known = list(values)
    return True if True in known else None if None in known else False


def training_reads_labels(folder: Path) -> bool | None:
    """Return whether the training of a folder read labels; None where it left no config."""
    cfg = _left_config(folder)
    return None if cfg is None else reads_labels(cfg)  # type: ignore[arg-type]


def weights_read_labels(weights: str | Path, root: Path, depth: int = 20) -> bool | None:
    """Return whether a file of weights, or what it was trained from, has read labels.

    Args:
        weights: A file or an address. Only files that a training has written are followed, such as
            ``backbone.pth`` with the config beside it.
        root: Folder that relative paths start from.
        depth: Number of trainings, one from the weights of the other, that are followed.

    Returns:
        None where that is not known.
    """
    behind = trainings_behind(weights, root, depth)
    return any_known(None if cfg is None else reads_labels(cfg) for cfg in behind)  # type: ignore[arg-type]


def trainings_behind(
    weights: str | Path, root: Path, depth: int = 20
) -> list[dict[str, Any] | None]:
    """Return the config of the training that wrote a file of weights, and of those before it.

    Arguments as of ``weights_read_labels``. None stands for a training, or weights, whose config is
    not known.
    """
    path = Path(root, weights)
    if depth < 1 or not path.is_file():
        return [None]
    path = path.resolve()
    cfg = _left_config(path.parent) if _WRITTEN.fullmatch(path.name) else None
    if cfg is None:
        return [None]
    teacher = (cfg.get("model") or {}).get("teacher")
    taught = teacher.get("checkpoint") if isinstance(teacher, dict) else None
    before = [file for file in (cfg.get("load_from"), taught) if file]
    found = [trainings_behind(str(file), root, depth - 1) for file in before]
    return [cfg, *(one for of in found for one in of)]


def recorded_labels(
    folder: Path, name: str, config: str, cfg_options: Sequence[str]
) -> bool | None:
    """Return whether a recorded pre-training read labels in its own task; None: not known.

    Args:
        folder: Its work directory, which may be gone.
        name: Its name, the tasks before it included.
        config: Its config, as recorded.
        cfg_options: Its overrides.
    """
    left = training_reads_labels(folder)
    if left is not None:
        return left
    given = [found[1] for found in map(_WITH_LABEL.fullmatch, cfg_options) if found]
    if given:
        return given[-1] == "True"
    path = Path(config)
    if {path.parent.name, *split_arm(name).tasks[-1:]} & LABELLED:
        return True
    # Our own configs of the other methods read none; what another one says is not known.
    return False if path.parent.parent.name == "selfsup" else None


def _left_config(folder: Path) -> _Parsed | None:
    """Return the config that a training wrote into its folder; None without one."""
    for path in sorted(folder.glob("*.py")):
        try:
            cfg = _parse(path.read_text(encoding="utf-8"))
            reads_labels(cfg)  # type: ignore[arg-type]
        # ValueError: no text, or no Python.
        except (OSError, UserError, SyntaxError, ValueError, AttributeError, RecursionError):
            continue
        return cfg
    return None


def _parse(text: str) -> _Parsed:
    """Return the assignments of a config's text."""
    return _Parsed(
        {
            ast.unparse(line.targets[0]): _value(line.value)
            for line in ast.parse(text).body
            if isinstance(line, ast.Assign)
        }
    )


def _value(node: ast.expr) -> Any:
    """Return what ``dict(...)``, ``{...}`` or a literal says; None of anything else."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "dict":
        return {word.arg: _value(word.value) for word in node.keywords if word.arg}
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return {_value(key): _value(value) for key, value in pairs if key is not None}
    return node.value if isinstance(node, ast.Constant) else None
