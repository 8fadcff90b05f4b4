"""The user's own Python files behind a module that a config imports.

A module is seldom alone: a file of a package uses others of it, and a file beside a config those
that lie beside itself. What is installed has a version, and is left out.
"""

from __future__ import annotations

import ast
import importlib.util
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

from .step import content

_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})
_OURS = "mmselfsup"  # has a stamp of its own
_IMPORTED: dict[Path, str] = {}  # the content of files when this process first imported them


def note_imported(names: Iterable[str]) -> None:
    """Note the content of the files of modules that have just been imported.

    A process keeps a module as it was, and so do its forks: what is edited later is not what they
    run.
    """
    for name in names:
        for _, file in module_files(name):
            if file.is_file():
                _IMPORTED.setdefault(file, content(file))


def imported_content(file: Path) -> str:
    """Return the hash of a file as this process imported it, or as it is where it did not.

    Args:
        file: One of ``module_files``.
    """
    return _IMPORTED.get(file) or content(file)


def module_files(name: str) -> Iterator[tuple[str, Path]]:
    """Yield the source files of a module, and those that it imports from its own place.

    Args:
        name: Its name, such as ``my_package.losses``. Of a module that can't be found there are no
            files: the command that imports it says so.

    Yields:
        What each file is to the module, and its path.
    """
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return
    if spec is None:
        return
    if spec.origin is None:  # a folder without __init__.py is imported as if its one were empty
        origin = Path(next(iter(spec.submodule_search_locations or ()), ""), "__init__.py")
    else:
        origin = Path(spec.origin)
        if not origin.is_file():
            return
    is_package = spec.submodule_search_locations is not None
    if origin.suffix != ".py" or (str(origin).startswith(_INSTALLED) and "." in name):
        yield name, origin
        return
    # The folder from which the first part of the name is imported.
    place = origin.parents[name.count(".") + is_package]
    first, known, todo = name.partition(".")[0], set[Path](), [name.partition(".")[0]]
    while todo:
        for path in [*_files_of(place, todo.pop()), origin]:
            if path in known or not path.is_file():
                continue
            known.add(path)
            if path == origin and not is_package:
                yield name, path
            elif path.is_relative_to(place / first):
                yield f"{first} {path.relative_to(place / first)}", path
            else:
                yield f"{name} needs {path.relative_to(place)}", path
            if not str(path).startswith(_INSTALLED):
                todo += imported_names(path)


def _files_of(place: Path, name: str) -> list[Path]:
    """Return the files of a module or package in a folder, none where it has no such.

    As in Python, a folder without ``__init__.py`` is a package where no other of its name is found.
    """
    package, module = place / name, place / f"{name}.py"
    if name == _OURS:
        return []
    if (package / "__init__.py").is_file():
        return sorted(package.rglob("*.py"))
    if module.is_file():
        return [module]
    return _files_without_init(package) if _is_namespace(package) else []


def _is_namespace(folder: Path) -> bool:
    """Return whether the import of a folder's name finds the folder, which has no ``__init__``."""
    if not folder.is_dir():
        return False
    try:
        spec = importlib.util.find_spec(folder.name)
    except (ImportError, ValueError):
        return False
    if spec is None or spec.origin is not None:
        return False
    return any(Path(place) == folder for place in spec.submodule_search_locations or ())


def _files_without_init(folder: Path) -> list[Path]:
    """Return the Python files in a folder and, of those below, in the ones that have some.

    A folder of images beside the code, or of other packages, is not searched to its depth.
    """
    files = sorted(folder.glob("*.py"))
    for below in sorted(path for path in folder.iterdir() if path.name.isidentifier()):
        if not below.is_symlink() and below.is_dir() and next(below.glob("*.py"), None):
            files += _files_without_init(below)
    return files


def imported_names(path: Path) -> list[str]:
    """Return the first parts of the names that a file imports, those of its own package left out.

    Of a file that is no Python there are none: the command that imports it says so.
    """
    try:
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError, SyntaxError):
        return []
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [
        node.module
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module and not node.level
    ]
    return [name.partition(".")[0] for name in names]
