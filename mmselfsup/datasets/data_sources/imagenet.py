"""ImageNet and data sets with the same layout: one folder for each class."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import MutableSequence, Sequence
from typing import Any

from mmselfsup.utils.errors import NoImagesError, UnknownLabelError, UserError
from mmselfsup.utils.image_names import IMAGE_EXTENSIONS, left_out_text, other_image
from mmselfsup.utils.plurals import counted

from ..class_order import spelling
from ..registry import DATASOURCES
from .base import BaseDataSource
from .image_table import Samples
from .lists import (
    Entry,
    check_labels,
    find_images,
    read_text_list,
    report_duplicates,
    report_left_out,
)

_OF_MACOS = "__MACOSX"
_PARTS = {"train", "training", "val", "valid", "validation", "test", "testing"}


def has_file_allowed_extension(filename: str, extensions: Sequence[str]) -> bool:
    """Return whether a name ends with one of the extensions, in small or capital letters."""
    return filename.lower().endswith(tuple(extensions))


def find_folders(root: str) -> dict[str, int]:
    """Return the folders directly in ``root``, numbered in alphabetical order.

    Hidden ones, and the one that macOS adds to archives, are left out.
    """
    with os.scandir(root) as entries:
        names = (e.name for e in entries if e.is_dir() and not e.name.startswith("."))
        folders = sorted(name for name in names if name != _OF_MACOS)
    return {folder: number for number, folder in enumerate(folders)}


def get_samples(
    root: str,
    folder_to_idx: dict[str, int],
    extensions: Sequence[str],
    recursive: bool = True,
    others: Counter[str] | None = None,
) -> list[tuple[str, int]]:
    """Return the files of class folders.

    Args:
        root: Folder of the class folders.
        folder_to_idx: The class of each folder.
        extensions: Accepted ends of file names.
        recursive: Whether the sub-folders of a class folder, at any depth, belong to it too.
        others: See ``find_images``, which looks where ``recursive`` says so.

    Returns:
        (path relative to ``root``, class) for each file, sorted by folder and name.
    """
    samples = []
    for folder in sorted(folder_to_idx):
        path = os.path.join(root, folder)
        if recursive:
            names = find_images(path, extensions, others)
        else:
            names = sorted(name for name in os.listdir(path) if not name.startswith("."))
            if others is not None:
                others.update(filter(None, map(other_image, names)))
        samples += [
            (os.path.join(folder, name), folder_to_idx[folder])
            for name in names
            if has_file_allowed_extension(name, extensions)
        ]
    return samples


@DATASOURCES.register_module()
class ImageNet(BaseDataSource):
    """The images of a list ``name label``, or without a list of one folder for each class.

    The sub-folders of a class folder, at any depth, belong to the class.

    Without a list the classes are the folders in alphabetical order, or in the order of ``classes``
    where these are names of folders. Other ``classes``, as many as there are folders and none of
    them the name of one, name them in alphabetical order.

    Raises:
        NoImagesError: There are no images in folders of classes.
        UserError: The list or the folder is missing, or a label is not in ``classes``.
    """

    IMG_EXTENSIONS = IMAGE_EXTENSIONS
    recursion_subdir = True

    def load_annotations(self) -> MutableSequence[dict[str, Any]]:
        if self.ann_file is not None:
            entries = read_text_list(self.ann_file)
            if self.CLASSES is not None:
                check_labels(entries, len(self.CLASSES), self.ann_file)
            report_duplicates(entries, self.ann_file)
            return self._infos(entries)
        if not self.data_prefix:
            raise UserError(
                f"{type(self).__name__}: give data_prefix, the folder, or ann_file, a list"
            )
        self.folder_to_idx = self._number(find_folders(self.data_prefix))
        others: Counter[str] = Counter()
        found = get_samples(
            self.data_prefix, self.folder_to_idx, self.IMG_EXTENSIONS, self.recursion_subdir, others
        )
        if not found:
            there = f"; there are {left_out_text(others)}" if others else ""
            raise NoImagesError(
                f"{self.data_prefix}: no images in folders of classes; put them into one folder "
                f"for each class, or give ann_file{there}"
            )
        report_left_out(self.data_prefix, others)
        self._report_beside()
        self._report_folders({label for _, label in found})
        infos = self._infos([Entry(name, label, 0) for name, label in found])
        self.samples = Samples(infos)
        return infos

    def _report_beside(self) -> None:
        """Warn of images beside the folders of classes, which have no class and are left out."""
        with os.scandir(self.data_prefix) as entries:
            names = sorted(e.name for e in entries if not e.name.startswith(".") and e.is_file())
        images = [name for name in names if has_file_allowed_extension(name, self.IMG_EXTENSIONS)]
        if images:
            logging.getLogger("mmselfsup").warning(
                "%s: left out %s beside the folders of classes, such as %s: move each into the "
                "folder of its class, or read all images without labels by ImageList",
                self.data_prefix, counted(len(images), "image"), images[0],
            )  # fmt: skip

    def _report_folders(self, present: set[int]) -> None:
        """Warn of folders without an image, and of two whose names are nearly the same.

        Args:
            present: The classes of the images.
        """
        logger = logging.getLogger("mmselfsup")
        first: dict[str, str] = {}
        for folder, label in self.folder_to_idx.items():
            other = first.setdefault(spelling(folder), folder)
            if other != folder:
                logger.warning(
                    "%s: the folders %s and %s are two classes: if they are one, give both the "
                    "same name", self.data_prefix, other, folder,
                )  # fmt: skip
            if label in present:
                continue
            files = sorted(os.listdir(os.path.join(self.data_prefix, folder)))
            holds = f"{len(files)} files, such as {files[0]}" if files else "nothing"
            logger.warning(
                "%s: the folder of the class %s has no image; it holds %s (images end with %s)",
                self.data_prefix, folder, holds, ", ".join(self.IMG_EXTENSIONS),
            )  # fmt: skip

    def _keep(self, rows: Sequence[int]) -> None:
        super()._keep(rows)
        if self.ann_file is None:
            self.samples = Samples(self.data_infos)

    def use_classes(self, classes: Sequence[str], where: str, known: str) -> None:
        super().use_classes(classes, where, known)
        if self.ann_file is None:
            self.samples = Samples(self.data_infos)
            self.folder_to_idx |= {name.partition(os.sep)[0]: n for name, n in self.samples}

    def _number(self, folders: dict[str, int]) -> dict[str, int]:
        """Return the class number of each folder, and set ``CLASSES`` where it is not given."""
        if self.CLASSES is None:
            if folders and {name.lower() for name in folders} <= _PARTS:
                raise UserError(
                    f"{self.data_prefix}: its folders {', '.join(folders)} are parts of a data "
                    "set, no classes: name one of them as data_prefix (own_data.data_prefix, "
                    "own_data.val.data_prefix), or name the classes: classes=[...]"
                )
            self.CLASSES = list(folders)
        if set(self.CLASSES) >= set(folders):
            return {name: number for name, number in self.class_to_idx.items() if name in folders}
        # Where some names are the same, a folder was renamed: by its place it would shift others.
        if len(self.CLASSES) == len(folders) and not set(self.CLASSES) & set(folders):
            return folders
        unknown = sorted(set(folders) - set(self.CLASSES))
        raise UnknownLabelError(
            f"{self.data_prefix}: {len(folders)} folders, but {len(self.CLASSES)} classes are "
            f"given; {', '.join(unknown[:5])} are not among them"
        )
