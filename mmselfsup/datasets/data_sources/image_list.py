"""Images of a list or of a folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import MutableSequence, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmselfsup.utils.errors import NoImagesError, UserError
from mmselfsup.utils.image_names import has_image_extension, left_out_text

from ..registry import DATASOURCES
from .base import BaseDataSource
from .columns import Columns
from .folders import all_images, in_folders
from .lists import (
    NO_LABEL,
    Entry,
    Listed,
    check_labels,
    read_listed,
    report_duplicates,
    report_left_out,
    with_extension,
)
from .metadata import read_lesions, read_patients
from .packed import PackedEntries


@DATASOURCES.register_module()
class ImageList(BaseDataSource):
    """The images of a list, or without a list all images in a folder and its sub-folders.

    ``ann_file`` is a text file with a line ``name label`` or ``name`` for each image (see
    ``lists.read_list``), or a CSV file with a header (see ``lists.read_table``). An image
    without label has the label -1. Names are relative to ``data_prefix``; a list may leave out the
    extensions (``.jpg``), which are then taken from the files. In a folder without a list no image
    has a label, and the names of sub-folders are ignored; ``ImageNet`` reads them as classes.

    Args:
        data_prefix: Folder of the images; or several folders, in which the names of the list are
            searched.
        image_column, label_column, group_column: Columns of a CSV file with other names than those
            of ``columns``; ``label_column`` may be a list of columns of 0 and 1, one for each
            class. The group, such as a patient, stands in the attribute ``lesions`` where there is
            no ``metadata``, and ``split`` does not divide it.
        multi_label: Whether an image may be of several classes, or of none: each label is a list
            of 0 and 1. A text separates the classes in the column of labels, see
            ``lists.read_table``.
        metadata: CSV file with the columns ``image`` and ``lesion_id`` (ISIC-2019's metadata). The
            attribute ``lesions`` then holds the lesion of each image (``''`` where it is not
            known), and the evaluation has metrics by source and by lesion; without it ``lesions``
            is None. ``split`` does not divide a lesion, unless ``group_column`` names other groups;
            where each lesion has one image, its folds are those without metadata.
        patients: CSV file with the columns ``image``, ``age_approx``, ``anatom_site_general`` and
            ``sex`` (ISIC-2019's metadata). The attribute ``patients`` then holds the code of each
            image's patient, [len, D] (see ``mmselfsup.utils.patients``), which is part of its
            sample as an input of the head; without it ``patients`` is None.
        **kwargs: See ``BaseDataSource``.

    Raises:
        UserError: The list or the folder is missing or empty, a label is not in ``classes``, or a
            CSV file can't be used (see ``lesions.read_lesions``, ``patients.read_patients``).
    """

    def __init__(
        self,
        data_prefix: str | Sequence[str] | None,
        *args: Any,
        image_column: str | None = None,
        label_column: str | Sequence[str] | None = None,
        group_column: str | None = None,
        multi_label: bool | str = False,
        metadata: str | None = None,
        patients: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.columns = Columns(image_column, label_column, group_column)
        self.multi_label = multi_label
        self.metadata = None if metadata is None else os.path.expanduser(metadata)
        super().__init__(data_prefix, *args, **kwargs)
        self.lesions = self._known_lesions()
        if self.lesions is None and any("group" in info for info in self.data_infos[:1]):
            self.lesions = [info["group"] for info in self.data_infos]
        self.patients: NDArray[np.float32] | None = None
        if patients is not None:
            self.patients = read_patients(os.path.expanduser(patients), self.image_names() or [])

    def load_annotations(self) -> MutableSequence[dict[str, Any]]:
        if self.ann_file is None:
            return self._folder()
        entries, classes, groups = self._listed(self.ann_file)
        if self.CLASSES is None:
            self.CLASSES = classes
        if self.CLASSES is not None:
            check_labels(entries, len(self.CLASSES), self.ann_file)
        report_duplicates(entries, self.ann_file)
        if isinstance(entries, PackedEntries):
            self.has_labels = bool((entries.labels != NO_LABEL).any())
        else:
            self.has_labels = any(entry.label != NO_LABEL for entry in entries)
        if len(self.folders) > 1:
            entries = in_folders(entries, self.data_prefix, self.folders, self.ann_file)
        # the first name decides: listing the folder is slow, and rarely needed
        elif self.reader.on_disk and not has_image_extension(entries[0].name):
            entries = with_extension(entries, self.data_prefix)
        return self._infos(entries, groups)

    def _known_lesions(self) -> list[str] | None:
        if self.metadata is None:
            return None
        return read_lesions(self.metadata, self.image_names() or [])

    def _listed(self, path: str) -> Listed:
        """Return what the list says."""
        return read_listed(path, self.CLASSES, self.columns, self.multi_label)

    def _folder(self) -> MutableSequence[dict[str, Any]]:
        """Return all images below the folder, without labels."""
        if not self.data_prefix:
            raise UserError("ImageList: give data_prefix, the folder, or ann_file, a list")
        self.has_labels = False
        others: Counter[str] = Counter()
        names = all_images(self.data_prefix, self.folders, others)
        if not names:
            there = f" but {left_out_text(others)}" if others else "; check data_prefix"
            raise NoImagesError(f"{self.data_prefix}: no images in this folder{there}")
        report_left_out(self.data_prefix, others)
        return self._infos([Entry(name, NO_LABEL, 0) for name in names])
