"""What lists say and what the disk holds: files that are not there, images of two lists.

Names are compared, and no image is opened: a list of 100,000 images takes a second on a disk.
"""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.plurals import counted

from .data_sources.base import BaseDataSource, Loading
from .data_sources.folders import all_images
from .data_sources.lists import find_images

_SHOWN = 3  # files in a message
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


def listed_files(source: Any) -> list[str] | None:
    """Return the path of every image of a data source; None where it reads no files of a disk.

    With a decode cache the images come from there, and the files may be gone.
    """
    if not isinstance(source, BaseDataSource) or not source.reader.on_disk or source.cache:
        return None
    own = type(source).decode is not Loading.decode or type(source).get_img is not Loading.get_img
    if own or source.image_names() is None:
        return None
    return [source.path(idx) for idx in range(len(source))]


def check_files(source: Any, part: str) -> None:
    """Check that all listed images of a data source are there.

    Args:
        source: The data source; one whose images are no files passes.
        part: Its data set, for messages, such as ``data.train``.

    Raises:
        UserError: Files are missing: how many, the first with their lines, and what is there in
            their place. With ``on_error='skip'`` this is a warning.
    """
    if getattr(source, "ann_file", None) is None:  # the images of a folder were found there
        return
    paths = listed_files(source) or []
    missing = _missing(paths)
    if not missing:
        return
    first = [f"{paths[i]} (line {_line(source, i)})" for i in missing[:_SHOWN]]
    message = (
        f"{part}: {len(missing)} of {len(paths)} images of {source.ann_file} are not there: "
        f"{', '.join(first)}{' ...' if len(missing) > _SHOWN else ''}"
        f"{_hint([paths[i] for i in missing], source)}"
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
    names: dict[str, set[str]] = {}
    missing = []
    for idx, path in enumerate(paths):
        folder, name = os.path.split(path)
        if folder not in names:
            try:
                names[folder] = set(os.listdir(folder or "."))
            except OSError:
                names[folder] = set()
        if name not in names[folder]:
            missing.append(idx)
    return missing


def _hint(missing: Sequence[str], source: Any) -> str:
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

    Args:
        sources: The data sources of a run.
    """
    real = cache(os.path.realpath)
    listed: dict[str, set[str]] = defaultdict(set)
    folders: set[str] = set()
    for source in sources:
        paths = listed_files(source)
        if paths is None or source.ann_file is None:
            continue
        folders.update(map(real, source.folders))
        for folder, name in map(os.path.split, paths):
            listed[real(folder)].add(name)
    found = [
        os.path.join(folder, name)
        for folder in sorted(folders)
        if not any(folder != other and _is_below(folder, other) for other in folders)
        for name in find_images(folder)
    ]
    left = [
        path
        for path, (folder, name) in zip(found, map(os.path.split, found), strict=True)
        if name not in listed.get(real(folder), ())
    ]
    return Unlisted(len(left), len(found), *_like_listed(left, listed))


def _is_below(folder: str, other: str) -> bool:
    """Return whether a folder lies in another one."""
    return os.path.commonpath([folder, other]) == other


def _like_listed(left: Sequence[str], listed: Mapping[str, set[str]]) -> tuple[str, str]:
    """Return a file of ``left``, and how its name differs from one on a list; '' for no such file.

    The first that resembles a listed one is taken, else the first of all.
    """
    names = {name.lower() for every in listed.values() for name in every}
    stems = {os.path.splitext(name)[0] for name in names}
    for path in left:
        name = os.path.basename(path).lower()
        stem = os.path.splitext(name)[0]
        for kind, found in (
            ("in another folder or in other letters", name in names),
            ("with another extension", stem in stems),
            ("under a shorter name", stem.removesuffix(_SMALLER) in stems),
            ("under a longer name", f"{stem}{_SMALLER}" in stems),
        ):
            if found:
                return path, f"is listed {kind}"
    return (left[0] if left else ""), ""


def report_shared(first: Any, second: Any, parts: tuple[str, str]) -> None:
    """Warn of images, or else lesions, that two data sources have in common.

    Args:
        first, second: The data sources; images that are no files are not compared.
        parts: Their data sets, for the message.
    """
    logger = logging.getLogger("mmselfsup")
    ours, theirs = (
        {os.path.realpath(path) for path in listed_files(source) or ()}
        for source in (first, second)
    )
    common = sorted(ours & theirs)
    if common:
        logger.warning(
            "%s and %s have %s in common, such as %s: results on them are too good",
            *parts, counted(len(common), "image"), common[0],
        )  # fmt: skip
        return
    groups = [set(getattr(source, "lesions", None) or ()) - {""} for source in (first, second)]
    lesions = sorted(groups[0] & groups[1])
    if lesions:
        logger.warning(
            "%s and %s have images of %s, such as %s: results on them are too "
            "good; split by lesion", *parts, counted(len(lesions), "common lesion"), lesions[0],
        )  # fmt: skip
