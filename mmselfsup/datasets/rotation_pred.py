"""An image in four orientations: Gidaris et al. 2018, section 2. Letters: P = 4 rotations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mmselfsup.utils.errors import UserError

from .base import BaseDataset
from .registry import DATASETS

_ROTATIONS = 4


def rotate(img: Tensor) -> list[Tensor]:
    """Return an image [C, H, W] turned counter-clockwise by 0, 90, 180 and 270 degrees."""
    return [torch.rot90(img, turns, dims=(1, 2)) for turns in range(_ROTATIONS)]


@DATASETS.register_module()
class RotationPredDataset(BaseDataset):
    """An image in four orientations, and the number of quarter turns of each.

    A sample has ``img`` [P, 3, H, H] and ``rot_label`` [P] (int64), 0 to 3. The pipeline must end
    with a square. Arguments: see ``BaseDataset``.
    """

    @classmethod
    def views_per_image(cls, config: Mapping[str, Any]) -> int:
        """Return P, the number of rotations."""
        return _ROTATIONS

    def __getitem__(self, idx: int) -> dict[str, Any]:
        image, _ = self._load(idx)
        img = self._finish(self.pipeline(image))  # [3, H, H]
        if img.shape[1] != img.shape[2]:
            raise UserError(
                f"rotations need a square, the pipeline gave {img.shape[2]}x{img.shape[1]} pixels: "
                "end it with a crop, or Resize to (H, H)"
            )
        rotated = torch.stack(rotate(img))  # [P, 3, H, H]
        return {"img": rotated, "rot_label": torch.arange(len(rotated))}
