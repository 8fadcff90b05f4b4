"""Lesion masks of a data set, stored compactly. Letters: N images, H, W pixels, B bytes."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from mmcv import Config
from numpy.typing import NDArray
from PIL.Image import Image
from torch.utils.data import Dataset

from mmselfsup.datasets.loader import build_eval_loader
from mmselfsup.isic.lesion_mask import find_lesion
from mmselfsup.utils.collect import nondist_forward_collect
from mmselfsup.utils.error_context import run_errors

_SIDE = 192  # a mask is stored as this many rows and columns


@dataclass(frozen=True)
class LesionMasks:
    """Masks of N images.

    Attributes:
        packed: [N, B], uint8: 192 x 192 bits each, whatever the shape of the image.
        guessed: [N], bool: an ellipse where no lesion was found.
    """

    packed: NDArray[np.uint8]
    guessed: NDArray[np.bool_]

    def mask(self, index: int, height: int, width: int) -> NDArray[np.bool_]:
        """Return the mask of an image, [H, W]."""
        # Square whatever the image's shape, so that the masks of a data set are one array.
        square = np.unpackbits(self.packed[index]).reshape(_SIDE, _SIDE)
        return np.asarray(cv2.resize(square, (width, height), interpolation=cv2.INTER_NEAREST) > 0)

    def fractions(self) -> NDArray[np.float64]:
        """Return the fraction of each image that is lesion, [N], 0..1."""
        return np.array([np.unpackbits(row).mean() for row in self.packed])


def find_masks(source: Any, cfg: Config) -> dict[str, NDArray[Any]]:
    """Return the mask of every image of a data source, with a progress bar.

    Args:
        source: The data source.
        cfg: A config with ``data``, for the number of workers.

    Returns:
        The arrays of ``LesionMasks`` by name.

    Raises:
        UserError: An image can't be read.
    """
    settings = Config({"data": copy.deepcopy(cfg.data), "persistent_workers": False})  # no prefetch
    loader = build_eval_loader(_Search(source), settings, "test", False)
    with run_errors():
        return nondist_forward_collect(_same, loader, len(source), desc="lesion masks")


def as_rgb(image: NDArray[np.uint8] | Image) -> NDArray[np.uint8]:
    """Return an image as [H, W, 3]; a grey one gets three equal channels."""
    pixels = np.asarray(image.convert("RGB") if isinstance(image, Image) else image, np.uint8)
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


class _Search(Dataset[dict[str, Any]]):
    """A data set of the packed lesion mask of each image of a data source."""

    def __init__(self, source: Any) -> None:
        self.data_source = source

    def __len__(self) -> int:
        return len(self.data_source)

    def __getitem__(self, idx: int) -> dict[str, Any]:
        image, _ = self.data_source.load_pixels(idx)
        lesion = find_lesion(as_rgb(image))
        mask = lesion.mask.astype(np.uint8)
        square = cv2.resize(mask, (_SIDE, _SIDE), interpolation=cv2.INTER_NEAREST)
        return {"packed": np.packbits(square > 0), "guessed": lesion.guessed}


def _same(**batch: Any) -> dict[str, Any]:
    return batch
