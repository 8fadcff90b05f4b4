"""What lists say and what the disk holds: files that are not there, images of two lists.

Names are compared, and no image is opened: a list of 100,000 images takes a second on a disk.
"""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.image_names import has_image_extension

from .data_sources.base import BaseDataSource, Loading
from .data_sources.lists import find_images

_SHOWN = 3  # files in a message


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
        f"{_hint([paths[i] for i in missing], source.data_prefix)}"
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


def _hint(missing: Sequence[str], root: str) -> str:
    """Return what is there in the place of missing files, by the first kind that is found."""
    by_name: dict[str, str] = {}
    by_stem: dict[str, str] = {}
    for name in find_images(root) if os.path.isdir(root) else ():
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
            ("under a longer name", by_stem.get(f"{stem}_downsampled")),
            ("under a shorter name", by_stem.get(stem.removesuffix("_downsampled"))),
        ):
            if found is not None:
                return f"; {base} is there {kind}: {os.path.join(root, found)}"
    return ""


def unlisted_images(sources: Iterable[Any]) -> tuple[int, str]:
    """Return how many images in the folders of lists stand on none of these lists, and one of them.

    Args:
        sources: The data sources of a run.
    """
    listed: dict[str, set[str]] = defaultdict(set)
    for source in sources:
        paths = listed_files(source)
        if paths is not None and source.ann_file is not None and source.data_prefix:
            listed[os.path.normpath(source.data_prefix)].update(map(os.path.normpath, paths))
    left = [
        path
        for root, paths in listed.items()
        for path in (os.path.normpath(os.path.join(root, name)) for name in find_images(root))
        if path not in paths and has_image_extension(path)
    ]
    return len(left), left[0] if left else ""


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
            "%s and %s have %d image(s) in common, such as %s: results on them are too good",
            *parts, len(common), common[0],
        )  # fmt: skip
        return
    groups = [set(getattr(source, "lesions", None) or ()) - {""} for source in (first, second)]
    lesions = sorted(groups[0] & groups[1])
    if lesions:
        logger.warning(
            "%s and %s have images of %d common lesion(s), such as %s: results on them are too "
            "good; split by lesion", *parts, len(lesions), lesions[0],
        )  # fmt: skip
