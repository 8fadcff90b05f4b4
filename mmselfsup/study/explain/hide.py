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
    """Fill a part of an image with the colour of its skin.

    Skin colour and not black: a black hole is like nothing that the network was trained on, and
    may cost accuracy by itself.

    Args:
        pixels: [H, W, 3] RGB.
        lesion: [H, W].
        view: `lesion_hidden` fills the lesion, `lesion_only` all the rest, `as_is` nothing.
    """
    if view == AS_IS:
        return pixels
    gone = lesion if view == HIDDEN else ~lesion
    filled = pixels.copy()
    filled[gone] = skin_colour(pixels, lesion)
    return filled


def skin_colour(pixels: NDArray[np.uint8], lesion: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The median colour [3] outside the lesion, dark borders left out where there is more."""
    outside = pixels[~lesion] if not lesion.all() else pixels.reshape(-1, 3)
    outside = outside[:: max(1, len(outside) // _SAMPLED)]
    bright = outside[outside.max(axis=1) >= DARK]
    return np.asarray(np.median(bright if len(bright) else outside, axis=0), np.uint8)


class HidingSource:
    """A data source whose images have a part hidden; everything else is that of the source inside.

    Args:
        source: A data source of images.
        masks: Of its images, in its order.
        view: See `hide`.
    """

    def __init__(self, source: Any, masks: LesionMasks, view: str) -> None:
        self.source, self.masks, self.view = source, masks, view

    def __getattr__(self, name: str) -> Any:
        if name in ("source", "masks", "view"):  # not set yet: a copy is being made
            raise AttributeError(name)
        return getattr(self.source, name)

    def __len__(self) -> int:
        return len(self.source)

    def load_pixels(self, idx: int) -> tuple[NDArray[np.uint8] | Image, int]:
        """The image `idx` and its index, see `BaseDataSource.load_pixels`."""
        image, found = self.source.load_pixels(idx)
        if self.view == AS_IS:
            return image, found
        pixels = as_rgb(image)
        return hide(pixels, self.masks.mask(found, *pixels.shape[:2]), self.view), found
