"""MedMNIST: many small images and their labels in one ``.npz`` file (Yang et al. 2023)."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmselfsup.utils.errors import ArgumentError, UserError

from ..pipelines.encoded import Pixels
from ..registry import DATASOURCES
from .base import BaseDataSource

SUBSETS = ("train", "val", "test")


@DATASOURCES.register_module()
class MedMNIST(BaseDataSource):
    """The images of one or all parts of a MedMNIST file.

    It has the arrays ``train_images``, ``train_labels`` and the same of ``val`` and ``test``:
    images [N, H, W] or [N, H, W, 3] (uint8), labels [N, 1], or [N, L], 0 or 1 for each of L
    classes. Class names are not in the file: ``classes`` gives them.

    Args:
        data_prefix: The file; or its folder, with ``ann_file`` its name or path.
        subset: ``train``, ``val`` or ``test``; None for all three, one after the other.
        **kwargs: See ``BaseDataSource``.

    Raises:
        ArgumentError: There is no such ``subset``.
        UserError: The file is missing or damaged, or its images are volumes.
    """

    def __init__(
        self,
        data_prefix: str | None = None,
        *args: Any,
        subset: str | None = None,
        **kwargs: Any,
    ) -> None:
        if subset is not None and subset not in SUBSETS:
            raise ArgumentError(f"subset must be one of {', '.join(SUBSETS)}, got {subset!r}")
        self.subset = subset
        if data_prefix is not None and str(data_prefix).endswith(".npz"):
            data_prefix, kwargs["ann_file"] = None, str(data_prefix)
        super().__init__(data_prefix, *args, **kwargs)

    def load_annotations(self) -> list[dict[str, Any]]:
        path = os.path.join(self.data_prefix, self.ann_file or "")
        parts = SUBSETS if self.subset is None else (self.subset,)
        arrays = read_npz(path, parts)
        self.container_files = [path]
        stem = os.path.splitext(os.path.basename(path))[0]
        self._images = {part: images for part, (images, _) in arrays.items()}
        return [
            {
                "img_info": {"filename": f"{stem}_{part}_{number:06d}"},  # no file, a unique name
                "img": (part, number),
                "gt_label": label,
            }
            for part, (_, labels) in arrays.items()
            for number, label in enumerate(_plain(labels))
        ]

    def decode(self, idx: int) -> Pixels | Image.Image:
        """Return the image ``idx``, [H, W, 3], or [H, W] for ``grayscale``."""
        part, number = self.data_infos[idx]["img"]
        return self.reader.convert(Image.fromarray(self._images[part][number]))


def read_npz(
    path: str, parts: Sequence[str] = SUBSETS
) -> dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Return images and labels of the parts of a MedMNIST file.

    Returns:
        For each part images [N, H, W] or [N, H, W, 3] and labels [N, L].

    Raises:
        UserError: The file is missing or damaged, lacks an array, or its images are volumes.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {part: (file[f"{part}_images"], file[f"{part}_labels"]) for part in parts}
    except OSError as error:
        raise UserError(f"{path}: can't read this file ({error.strerror or error})") from error
    except (ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path} is no MedMNIST file with the arrays {parts[0]}_images and {parts[0]}_labels "
            f"({' '.join(str(error).split())})"
        ) from error
    for part, (images, labels) in arrays.items():
        if images.dtype != np.uint8 or images.shape[3:] not in ((), (3,)) or images.ndim < 3:
            raise UserError(
                f"{path}: {part}_images has the shape {list(images.shape)} of {images.dtype}; "
                "images are [N, H, W] or [N, H, W, 3] of uint8 (volumes are not read)"
            )
        if labels.ndim != 2 or len(labels) != len(images):
            raise UserError(
                f"{path}: {part}_labels has the shape {list(labels.shape)} for {len(images)} images"
            )
    return {part: (images, labels.astype(np.int64)) for part, (images, labels) in arrays.items()}


def _plain(labels: NDArray[np.int64]) -> list[Any]:
    """Return one number for each image, or its list of 0 and 1."""
    return labels[:, 0].tolist() if labels.shape[1] == 1 else labels.tolist()
