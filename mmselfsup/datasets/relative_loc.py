"""Pairs of patches of one image: Doersch et al. 2015, section 3. Letters: P = 8 pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torchvision.transforms.functional as TF
from PIL.Image import Image
from torchvision.transforms import RandomCrop

from mmselfsup.utils.errors import UserError

from .base import BaseDataset
from .pipelines.formatting import to_image
from .registry import DATASETS

_SIDE = 3  # patches on a side
_CENTRE = 4  # index of the middle patch


def image_to_patches(img: Image, patch_jitter: int = 21) -> list[Image]:
    """Return 9 patches of an image, one at a random place in each cell of a 3 x 3 grid.

    The gaps interrupt lines that continue from patch to patch and would give the position away.

    Args:
        img: Image of W x H pixels.
        patch_jitter: Pixels by which a patch is smaller than its cell, from 0.

    Returns:
        9 patches of W // 3 - jitter by H // 3 - jitter pixels, row by row.

    Raises:
        UserError: The image is too small for a patch of one pixel.

    Difference from 0.x: for images that are not square, 0.x confuses W and H.
    """
    width, height = img.size[0] // _SIDE, img.size[1] // _SIDE  # of a cell
    size = (height - patch_jitter, width - patch_jitter)
    if min(size) < 1:
        raise UserError(
            f"an image of {img.size[0]}x{img.size[1]} pixels has cells of {width}x{height}, too "
            f"small for a patch_jitter of {patch_jitter}: resize to {_SIDE * (patch_jitter + 32)}"
        )
    crop = RandomCrop(size)
    corners = [(row * height, column * width) for row in range(_SIDE) for column in range(_SIDE)]
    return [crop(TF.crop(img, top, left, height, width)) for top, left in corners]


@DATASETS.register_module()
class RelativeLocDataset(BaseDataset):
    """The 8 outer patches of an image, each paired with the middle one, and their positions.

    A sample has ``img`` [P, 6, h, w], a pair being the outer patch and the middle one in the
    channels, and ``patch_label`` [P] (int64), 0 to 7 row by row.

    Args:
        data_source: Config of the data source.
        pipeline: Configs of the transforms of the whole image; ends with a PIL image or an array.
        format_pipeline: Configs of the transforms of each patch; ends with a tensor.
        prefetch: See ``BaseDataset``; ``format_pipeline`` is left out.
        patch_jitter: See ``image_to_patches``.
    """

    def __init__(
        self,
        data_source: dict[str, Any],
        pipeline: Sequence[dict[str, Any]],
        format_pipeline: Sequence[dict[str, Any]],
        prefetch: bool = False,
        patch_jitter: int = 21,
    ) -> None:
        super().__init__(data_source, pipeline, prefetch)
        self.format_pipeline = self._built([] if prefetch else format_pipeline)
        self.patch_jitter = patch_jitter

    @classmethod
    def views_per_image(cls, config: Mapping[str, Any]) -> int:
        """Return the number of patches, the middle one counted once."""
        return _SIDE**2

    def __getitem__(self, idx: int) -> dict[str, Any]:
        image, _ = self._load(idx)
        whole = self.pipeline(image)
        whole = to_image(whole) if isinstance(whole, np.ndarray) else whole
        cells = image_to_patches(whole, self.patch_jitter)
        patches = [self._finish(self.format_pipeline(patch)) for patch in cells]  # [3, h, w] each
        centre = patches.pop(_CENTRE)
        pairs = torch.stack([torch.cat((patch, centre)) for patch in patches])  # [P, 6, h, w]
        return {"img": pairs, "patch_label": torch.arange(len(pairs))}
