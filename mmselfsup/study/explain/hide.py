"""Images without their lesion, and lesions without their surroundings. Letters: H, W pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from mmselfsup.isic.border import DARK

from .files import AS_IS, HIDDEN
from .masks import LesionMasks, as_rgb

_SAMPLED = 20_000  # pixels are enough for a median


def hide(pixels: NDArray[np.uint8], lesion: NDArray[np.bool_], view: str) -> NDArray[np.uint8]:
    """Return an image with a part of it filled with the colour of its skin.

    Skin colour and not black: the network has never seen black holes, and they may cost accuracy
    by themselves.

    Args:
        pixels: RGB image [H, W, 3].
        lesion: Mask of the lesion [H, W].
        view: ``lesion_hidden`` fills the lesion, ``lesion_only`` all the rest, ``as_is`` nothing.
    """
    if view == AS_IS:
        return pixels
    hidden = lesion if view == HIDDEN else ~lesion
    filled = pixels.copy()
    filled[hidden] = skin_colour(pixels, lesion)
    return filled


def skin_colour(pixels: NDArray[np.uint8], lesion: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the median colour [3] outside the lesion, dark borders left out where possible."""
    outside = pixels[~lesion] if not lesion.all() else pixels.reshape(-1, 3)
    outside = outside[:: max(1, len(outside) // _SAMPLED)]
    bright = outside[outside.max(axis=1) >= DARK]
    return np.asarray(np.median(bright if len(bright) else outside, axis=0), np.uint8)


class HidingSource:
    """A data source whose images have a part hidden; all else is as in the wrapped source.

    Args:
        source: A data source of images.
        masks: Masks of its images, in its order.
        view: View of the images, see ``hide``.
    """

    def __init__(self, source: Any, masks: LesionMasks, view: str) -> None:
        self.source, self.masks, self.view = source, masks, view

    def __getattr__(self, name: str) -> Any:
        if name in ("source", "masks", "view"):  # not set yet while a copy is made: no recursion
            raise AttributeError(name)
        return getattr(self.source, name)

    def __len__(self) -> int:
        return len(self.source)

    def load_pixels(self, idx: int) -> tuple[NDArray[np.uint8] | Image, int]:
        """Return the image ``idx`` and its index, see ``BaseDataSource.load_pixels``."""
        image, row = self.source.load_pixels(idx)
        if self.view == AS_IS:
            return image, row
        pixels = as_rgb(image)
        return hide(pixels, self.masks.mask(row, *pixels.shape[:2]), self.view), row
