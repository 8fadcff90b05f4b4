"""Whether weights that a study starts from saw images of its test fold in their own training.

It is told by the lists that the configs beside the weights name, such as those of another fold.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from mmselfsup.config.inspect import find_dataset
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.image_names import has_image_extension

from .label_reading import any_known, trainings_behind


def weights_saw_images(
    weights: str | Path, root: Path, names: Collection[str], images: Path
) -> bool | None:
    """Return whether a file of weights, or what it was trained from, saw one of these images.

    Args:
        weights: A file or an address; see ``weights_read_labels``.
        root: Folder that relative paths start from.
        names: Names of the images.
        images: Folder of the images.

    Returns:
        None where that is not known: without a config or its list, and for images of the same
        names in another folder, which may be copies.
    """
    wanted = _without_ending(names, Path(root, images))
    return any_known(
        None if cfg is None else _saw(cfg, root, wanted) for cfg in trainings_behind(weights, root)
    )


def _saw(cfg: Mapping[str, Any], root: Path, wanted: Collection[str]) -> bool | None:
    source = find_dataset(cfg, "train")[1].get("data_source")  # type: ignore[arg-type]
    if not isinstance(source, Mapping) or source.get("split") is not None:
        return None
    prefix = os.path.expanduser(source.get("data_prefix") or "")
    folder = Path(root, prefix)
    names = _trained_on(source.get("ann_file"), root, folder if prefix else None)
    if not names:
        return None
    seen = _without_ending(names, folder)
    if seen & set(wanted):
        return True
    same = {os.path.basename(path) for path in seen} & {os.path.basename(path) for path in wanted}
    elsewhere = {os.path.dirname(path) for path in seen} != {os.path.dirname(p) for p in wanted}
    return None if same and elsewhere else False


def _trained_on(ann_file: str | None, root: Path, folder: Path | None) -> list[str]:
    """Return the names of the images of a training; none where they can't be told."""
    from mmselfsup.datasets.data_sources.lists import find_images, read_names  # loads torch

    try:
        if ann_file:
            return read_names(str(Path(root, os.path.expanduser(ann_file))))
        return find_images(str(folder)) if folder is not None and folder.is_dir() else []
    except (UserError, OSError):
        return []


def _without_ending(names: Collection[str], folder: Path) -> set[str]:
    """Return the paths of images without their endings, which lists may leave out."""
    real = os.path.realpath(folder)
    paths = (os.path.normpath(os.path.join(real, name)) for name in names)
    return {os.path.splitext(path)[0] if has_image_extension(path) else path for path in paths}
