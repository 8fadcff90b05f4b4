"""Where configs and tools are, in a checkout and in an installed package; configs by name.

A checkout has ``configs/`` and ``tools/`` beside the package. A wheel has both in
``mmselfsup/.mim``, where MMSelfSup 0.x had them.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from .errors import UserError

_PACKAGE = Path(__file__).resolve().parents[1]
_SHOWN = 5  # names in a message
_SUFFIXES = (".py", ".yaml", ".yml", ".json")


@cache
def repository() -> Path:
    """Return the folder that ``configs/`` and ``tools/`` are in."""
    inside = _PACKAGE / ".mim"
    return inside if (inside / "tools").is_dir() else _PACKAGE.parent


def study_root(root: Path) -> Path:
    """Return the folder that a study runs in: the checkout, or the current one if it is installed.

    An installed package is no place for data and results. The current folder gets links named
    ``tools`` and ``configs`` to it, as printed commands are relative to the folder.

    Args:
        root: The folder that ``configs/`` and ``tools/`` are in.

    Raises:
        UserError: There are other files of these names.
    """
    if root.name != ".mim":
        return root
    here = Path.cwd()
    for name in ("tools", "configs"):
        link = here / name
        if link.is_symlink() and ".mim" in os.readlink(link):
            link.unlink()  # of an environment that may have moved
        if link.exists():
            raise UserError(
                f"{link} is in the way of a link to {root / name}: go to another folder"
            )
        link.symlink_to(root / name)
    return here


def in_repository(path: str) -> str:
    """Return a file of the repository as seen from the current folder, whichever this is.

    A path that is neither here nor there stays as it is, and is reported as missing.
    """
    own = repository() / path
    return str(own) if own.is_file() and not Path(path).is_file() else path


def find_config(name: str) -> str:
    """Return the file of a config that a user names from any folder.

    Args:
        name: A path; a path in the repository or below its ``configs/``, with or without ``.py``;
            or the name of a config, from which parts in the middle may be left out:
            ``simclr_resnet18_isic2019-64``. Of several such configs it is the one with the fewest
            parts, as the others name what they do differently.

    Returns:
        The file. A path (with ``/`` or a suffix) that leads nowhere is returned as it is: whoever
        reads it says so.

    Raises:
        UserError: There is none, or there are several configs of that name with equally few parts.
    """
    if os.path.isfile(name):
        return name
    root = repository()
    for folder in (root, root / "configs"):
        for path in (folder / name, folder / f"{name}.py"):
            if path.is_file():
                return str(path)
    if os.sep in name or name.endswith(_SUFFIXES):
        return name
    found = [path for path in config_files() if _matches(name, path.stem)]
    least = min((_parts(path) for path in found), default=0)
    plainest = [path for path in found if _parts(path) == least]
    if len(plainest) == 1:
        return str(plainest[0])
    if found:
        raise UserError(f"{name} may be {len(found)} configs, name one: {_listed(name, found)}")
    raise UserError(f"there is no config {name}; {_similar(name)}")


@cache
def config_files() -> list[Path]:
    """Return the configs that can be run, those in ``_base_`` folders not included."""
    files = sorted((repository() / "configs").rglob("*.py"))
    return [path for path in files if "_base_" not in path.parts]


def config_names() -> list[str]:
    """Return the names of all configs."""
    return _names(config_files())


def _names(paths: Iterable[Path]) -> list[str]:
    """Return the names of configs: with their folder where the name alone is that of several."""
    stems = [path.stem for path in config_files()]
    root = repository() / "configs"
    return [
        path.stem if stems.count(path.stem) == 1 else str(path.relative_to(root).with_suffix(""))
        for path in paths
    ]


def _parts(path: Path) -> int:
    """Return the number of parts of a config's name."""
    return len(path.stem.split("_"))


def _matches(name: str, stem: str) -> bool:
    """Return whether a name is that of a config with parts in the middle left out."""
    wanted, parts = name.split("_"), stem.split("_")
    if wanted[0] != parts[0] or wanted[-1] != parts[-1]:
        return False
    rest = iter(parts)
    return all(word in rest for word in wanted)


def _similar(name: str) -> str:
    """Return the names that are most like one, in words."""
    names = config_names()
    close = difflib.get_close_matches(name, names, n=_SHOWN, cutoff=0.4)
    return f"similar names: {', '.join(close)}" if close else "give the path of a file"


def _listed(name: str, paths: list[Path]) -> str:
    """Return the names of the first configs, the shortest first, with what ``name`` leaves open.

    That is the parts of a config's name that ``name`` doesn't have, or else its folder.
    """
    given = name.split("_")
    paths = sorted(paths, key=_parts)
    shown = []
    for path, full in zip(paths[:_SHOWN], _names(paths[:_SHOWN]), strict=True):
        open_parts = [part for part in path.stem.split("_") if part not in given]
        shown.append(f"{full} ({' '.join(open_parts) or path.parent.name})")
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(shown) + more
