"""What lists say and what the disk holds: files that are not there, images of two lists.

Names are compared, and no image is opened: a list of 100,000 images takes a second on a disk.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple, overload

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.plurals import counted

from .data_sources.base import BaseDataSource, Loading
from .data_sources.folders import all_images
from .data_sources.lists import iter_images
from .data_sources.packed import HashedStrings, PackedStrings
from .data_sources.split import PARTS

_SHOWN = 3  # files in a message
_COMPARED = 1000  # unlisted files whose names are compared with those of listed ones
_SMALLER = "_downsampled"  # ISIC-2019's ending of images that were made smaller


class Unlisted(NamedTuple):
    """Images in the folders of lists that stand on none of the lists.

    Attributes:
        images: How many they are.
        of: How many images the folders hold.
        example: One of them; '' without any.
        hint: What the example has in common with a listed image; '' if nothing.
    """

    images: int
    of: int
    example: str
    hint: str


class ListedFiles(Sequence[str]):
    """The paths of all images of a data source, made when they are asked for.

    Args:
        source: The data source.
    """

    def __init__(self, source: BaseDataSource) -> None:
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[idx] for idx in range(len(self))[index]]
        return self.source.path(range(len(self))[index])

    def __iter__(self) -> Iterator[str]:
        names = self.source.image_names()
        if type(self.source).path is not Loading.path or not isinstance(names, PackedStrings):
            yield from map(self.source.path, range(len(self)))
            return
        prefix = self.source.data_infos[0]["img_prefix"] or "" if len(self) else ""
        for name in names:
            yield os.path.join(prefix, name)


def listed_files(source: Any, cached: bool = False) -> ListedFiles | None:
    """Return the path of every image of a data source; None where it reads no files of a disk.

    With a decode cache the images come from there, and the files may be gone: their paths, which
    still tell them apart, are returned with ``cached`` only.
    """
    if not isinstance(source, BaseDataSource) or not source.reader.on_disk:
        return None
    if source.cache and not cached:
        return None
    if not has_own_files(source) or source.image_names() is None:
        return None
    return ListedFiles(source)


def has_own_files(source: BaseDataSource) -> bool:
    """Return whether each image is decoded from the bytes of a file of its own."""
    kind = type(source)
    return kind.decode is Loading.decode and kind.get_img is Loading.get_img


def check_files(source: Any, part: str) -> None:
    """Check that all listed images of a data source are there, or its shards.

    Args:
        source: The data source; one whose images are no files passes.
        part: Its data set, for messages, such as ``data.train``.

    Raises:
        UserError: A shard is missing. Files are missing: how many, the first with their lines, and
            what is there in their place. With ``on_error='skip'`` missing files are a warning.
    """
    if hasattr(source, "check_storage") and not source.cache:
        source.check_storage()
    paths = listed_files(source)
    # the images of a folder were found there
    if paths is None or getattr(source, "ann_file", None) is None:
        return
    missing = _missing(paths)
    if not missing:
        return
    first = [f"{paths[i]} (line {_line(source, i)})" for i in missing[:_SHOWN]]
    message = (
        f"{part}: {len(missing)} of {len(paths)} images of {source.ann_file} are not there: "
        f"{', '.join(first)}{' ...' if len(missing) > _SHOWN else ''}"
        f"{_hint((paths[i] for i in missing), source)}"
    )
    if source.on_error == "skip":
        logging.getLogger("mmselfsup").warning("%s; they are skipped", message)
        return
    raise UserError(
        f"{message}; correct the list or data_prefix, or leave this check out with "
        "--no-check-files (check_files=False)"
    )


def _line(source: Any, idx: int) -> int:
    """Return the line of an image in its list."""
    return int(source.data_infos[idx].get("line") or 0)


def _missing(paths: Sequence[str]) -> list[int]:
    """Return which of the files are not there; each folder is read once."""
    folders = dict.fromkeys(map(os.path.dirname, paths))
    there = HashedStrings(_key(folder, name) for folder in folders for name in _names_in(folder))
    return [idx for idx, _ in there.outside(_key(*os.path.split(path)) for path in paths)]


def _key(folder: str, name: str) -> str:
    """Return one string for a folder and a name in it."""
    return f"{folder}\0{name}"


def _names_in(folder: str) -> Iterator[str]:
    """Yield the names in a folder, without a list of them."""
    with suppress(OSError), os.scandir(folder or ".") as entries:
        for entry in entries:
            yield entry.name


def _hint(missing: Iterable[str], source: Any) -> str:
    """Return what is there in the place of missing files, by the first kind that is found."""
    root = source.data_prefix
    by_name: dict[str, str] = {}
    by_stem: dict[str, str] = {}
    # The folders, not what they have in common: that may be the whole disk.
    for name in all_images(root, source.folders) if os.path.isdir(root) else ():
        base = os.path.basename(name).lower()
        by_name.setdefault(base, name)
        by_stem.setdefault(os.path.splitext(base)[0], name)
    if not by_name:
        return f"; {root or 'the folder'} holds no image"
    for path in missing:
        base = os.path.basename(path)
        stem = os.path.splitext(base.lower())[0]
        for kind, found in (
            ("in another folder or in other letters", by_name.get(base.lower())),
            ("with another extension", by_stem.get(stem)),
            ("under a longer name", by_stem.get(f"{stem}{_SMALLER}")),
            ("under a shorter name", by_stem.get(stem.removesuffix(_SMALLER))),
        ):
            if found is not None:
                return f"; {base} is there {kind}: {os.path.join(root, found)}"
    return ""


def unlisted_images(sources: Iterable[Any]) -> Unlisted:
    """Return the images in the folders of lists that stand on none of these lists.

    Folders of a list of which only a part is used are left out: the rest stands on the list, too.

    Args:
        sources: The data sources of a run.
    """
    real = cache(os.path.realpath)
    sources = list(sources)
    in_part = {real(folder) for source in _of_one_part(sources) for folder in source.folders}
    known = [
        (source, paths)
        for source in sources
        if (paths := listed_files(source)) is not None and source.ann_file is not None
    ]
    listed_in = {real(folder) for source, _ in known for folder in source.folders}
    folders = sorted(listed_in - in_part)
    total = 0

    def found() -> Iterator[str]:
        nonlocal total
        for folder in folders:
            if not any(folder != other and _is_below(folder, other) for other in folders):
                for path in iter_images(folder):
                    total += 1
                    below, name = os.path.split(os.path.join(folder, path))
                    yield _key(real(below), name)

    def listed() -> Iterator[tuple[str, str]]:
        return (os.path.split(path) for _, paths in known for path in paths)

    number, left = 0, []
    for _, key in HashedStrings(_key(real(f), name) for f, name in listed()).outside(found()):
        number += 1
        left.append(key.replace("\0", os.sep))
        if len(left) > 2 * _COMPARED:
            left = sorted(left)[:_COMPARED]
    return Unlisted(
        number, total, *_like_listed(sorted(left)[:_COMPARED], lambda: (n for _, n in listed()))
    )


def _of_one_part(sources: Sequence[Any]) -> list[Any]:
    """Return the data sources that have a part of their list, where no other has the rest."""
    parts: dict[str, set[str]] = {}
    split = [source for source in sources if getattr(source, "split", None)]
    for source in split:
        parts.setdefault(str(source.ann_file), set()).add(source.split["part"])
    return [source for source in split if parts[str(source.ann_file)] != set(PARTS)]


def _is_below(folder: str, other: str) -> bool:
    """Return whether a folder lies in another one."""
    return os.path.commonpath([folder, other]) == other


def _like_listed(left: Sequence[str], listed: Callable[[], Iterable[str]]) -> tuple[str, str]:
    """Return a file of ``left``, and how its name differs from one on a list; '' for no such file.

    The first that resembles a listed one is taken, else the first of all.

    Args:
        left: Files on no list.
        listed: Gives the names of the listed files.
    """
    if not left:
        return "", ""
    names = HashedStrings(name.lower() for name in listed())
    stems = HashedStrings(os.path.splitext(name.lower())[0] for name in listed())
    wanted = [os.path.basename(path).lower() for path in left]
    bare = [os.path.splitext(name)[0] for name in wanted]
    # All files at once: a look-up takes as long for one as for a thousand.
    hits = [
        (kind, {number for number, _ in known.inside(asked)})
        for kind, known, asked in (
            ("in another folder or in other letters", names, wanted),
            ("with another extension", stems, bare),
            ("under a shorter name", stems, [stem.removesuffix(_SMALLER) for stem in bare]),
            ("under a longer name", stems, [f"{stem}{_SMALLER}" for stem in bare]),
        )
    ]
    for number, path in enumerate(left):
        for kind, found in hits:
            if number in found:
                return path, f"is listed {kind}"
    return left[0], ""


def report_shared(first: Any, second: Any, parts: tuple[str, str]) -> None:
    """Warn of images, or else groups (lesions, patients), that two data sources have in common.

    Args:
        first, second: The data sources; images that are no files are not compared.
        parts: Their data sets, for the message.
    """
    logger = logging.getLogger("mmselfsup")
    ours = HashedStrings(_identities(first))
    common = [image for _, image in ours.inside(_identities(second))] if len(ours) else []
    if common:
        logger.warning(
            "%s and %s have %s in common, such as %s: results on them are too good",
            *parts, counted(len(set(common)), "image"), min(common),
        )  # fmt: skip
        return
    groups = [set(getattr(source, "lesions", None) or ()) - {""} for source in (first, second)]
    lesions = sorted(groups[0] & groups[1])
    if lesions:
        logger.warning(
            "%s and %s have images of %s (lesion or patient), such as %s: results on them are too "
            "good; split by group", *parts, counted(len(lesions), "common group"), lesions[0],
        )  # fmt: skip


def _identities(source: Any) -> Iterator[str]:
    """Yield what tells the images of a data source from others: their real paths.

    Symbolic links are followed, so that a file and a link to it are one image. Images of shards
    have the names and the digest of their index.
    """
    paths = listed_files(source, cached=True)
    if paths is None:
        content = getattr(source, "content", None)
        for name in (source.image_names() or ()) if content else ():
            yield f"{os.path.normpath(name)} of {source.index_name}"
        return
    real = cache(os.path.realpath)
    for path in paths:
        folder, name = os.path.split(path)
        yield os.path.realpath(path) if os.path.islink(path) else os.path.join(real(folder), name)
