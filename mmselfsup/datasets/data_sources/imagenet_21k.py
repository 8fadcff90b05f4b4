"""ImageNet-21k."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..registry import DATASOURCES
from .imagenet import ImageNet


@DATASOURCES.register_module()
class ImageNet21k(ImageNet):
    """ImageNet-21k: as ``ImageNet``, and a class folder may have sub-folders that belong to it.

    Args:
        data_prefix: Folder of the images.
        classes: Names of the classes, or a file with one name a line.
        ann_file: List of the images.
        multi_label: Several labels for an image; not supported.
        recursion_subdir: Whether to read the sub-folders of a class folder too.
        test_mode: Ignored.
        **kwargs: See ``BaseDataSource``.
    """

    def __init__(
        self,
        data_prefix: str,
        classes: str | Sequence[str] | None = None,
        ann_file: str | None = None,
        multi_label: bool = False,
        recursion_subdir: bool = False,
        test_mode: bool = False,
        **kwargs: Any,
    ) -> None:
        if multi_label:
            raise NotImplementedError("multi_label=True: ImageNet-21k is read with one label only")
        self.multi_label = multi_label
        self.recursion_subdir = recursion_subdir
        super().__init__(data_prefix, classes, ann_file, test_mode, **kwargs)
