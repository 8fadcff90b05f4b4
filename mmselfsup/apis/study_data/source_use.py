"""The source folder of a data set while studies use it: what they read stays as it is.

Its name is that of the data, so several studies share it. A study that is started with another
table, other columns or another size under the same name would replace what a running one reads.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from mmselfsup.datasets.data_sources.lists import find_images
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import NO_LOCKS, atomic_write_json, sha256

from .study_source import make_source

_LOCK = ".use.lock"
_MADE_OF = "made_of"  # key of ``source.json``


@contextmanager
def used_source(
    description: Any, folder: Path, place: Path, size: int, names: dict[str, str]
) -> Iterator[dict[str, Any]]:
    """Make a source folder, unless a running study uses it, and keep it inside the block.

    Args:
        description, folder, place, size, names: See ``make_source``.

    Yields:
        The content of ``source.json``.

    Raises:
        UserError: See ``make_source``; or a running study uses the folder for other data.
    """
    wanted = _made_of(description, folder, size)
    try:
        place.mkdir(parents=True, exist_ok=True)
        # Also for reading: NFS gives a shared lock of no other file.
        lock: IO[str] = open(place / _LOCK, "a+")  # noqa: SIM115
    except OSError as error:
        raise UserError(f"can't write {place}: {error.strerror}; check the folder") from error
    with lock:
        alone = _lock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not alone:
            _lock(lock, fcntl.LOCK_SH)  # waits for a study that is just making it, and may fail
            made = _facts(place / names["facts"]).get(_MADE_OF) == wanted
            alone = not made and _lock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if alone:
            # Where this fails, the next study must not take the files for those of before.
            (place / names["facts"]).unlink(missing_ok=True)
            facts = make_source(description, folder, place, size, names)
            atomic_write_json(place / names["facts"], {**facts, _MADE_OF: wanted})
        _lock(lock, fcntl.LOCK_SH)
        facts = _facts(place / names["facts"])
        if facts.get(_MADE_OF) != wanted:
            raise UserError(
                f"{place}: a running study called {description.name} reads it, which was started "
                "with other data, options or SIZE: wait until it ends, or give these data another "
                "name: --name NAME"
            )
        yield facts


def _facts(path: Path) -> dict[str, Any]:
    """Return the content of ``source.json``; empty where a study could not make the folder."""
    if not path.is_file():
        return {}
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return facts


def _lock(file: IO[str], kind: int) -> bool:
    """Lock an open file; return whether it was possible, True where there are no locks."""
    try:
        fcntl.flock(file, kind)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    return True


def _made_of(description: Any, folder: Path, size: int) -> str:
    """Return a hash of what a source folder is made of: description, tables or images, size."""
    named = (*description.table, *description.groups_table, *description.labels_table)
    tables = [sha256(folder / name) for name in named if (folder / name).is_file()]
    text = f"{description!r}\n{folder.resolve()}\n{size}\n{tables}"
    if not description.table:
        text += f"\n{_images_of_classes(description, folder)}"
    return hashlib.sha256(os.fsencode(text)).hexdigest()


def _images_of_classes(description: Any, folder: Path) -> list[list[str]]:
    """Return the names of the images in the folders of the classes, which no table lists."""
    named = [folder / name for name in description.images]
    if description.classes:  # other folders beside them don't count
        named = [one / name for one in named for name in description.classes]
    return [find_images(str(one)) for one in named]
