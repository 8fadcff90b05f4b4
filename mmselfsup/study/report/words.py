"""The words for the data set of a study: its name, and what a group of images is called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict
from pathlib import Path

from mmselfsup.utils.files import atomic_write_json
from mmselfsup.utils.study_data import WORDS, Words, licence_of, read_words

from ..settings import DEFAULT_DATA

_DEFAULT = Words(DEFAULT_DATA.name, *DEFAULT_DATA.group)
_current: ContextVar[Words] = ContextVar("words", default=_DEFAULT)


def words() -> Words:
    """Return the words of the study that is being reported on."""
    return _current.get()


def licence() -> str:
    """Return the licence of the data set's images, '' where it is not known."""
    return licence_of(words(), (DEFAULT_DATA,))


@contextmanager
def words_of(folder: Path) -> Iterator[None]:
    """Use the words of the study in a folder, or in the folder above, inside a ``with`` block.

    Raises:
        UserError: The file of its words is damaged.
    """
    token = _current.set(read_words((folder, folder.parent)) or _DEFAULT)
    try:
        yield
    finally:
        _current.reset(token)


def write_words(folder: Path, found: Words) -> None:
    """Write the words of a study into its folder."""
    atomic_write_json(folder / WORDS, asdict(found))
