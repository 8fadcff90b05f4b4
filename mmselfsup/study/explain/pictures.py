"""Pictures of the network's input, the heat map over it, and masks. Letters: H, W pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmcv import Config
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from mmselfsup.datasets.utils import find_normalize
from mmselfsup.utils.files import atomic_write

from .files import VIEWS
from .hide import hide
from .masks import LesionMasks, as_rgb

Pixels = NDArray[np.uint8]

WIDTH = 176  # pixels of a picture
_HEAT = 0.6  # opacity of the hottest place
_QUALITY = 70
_TILE, _GAP, _COLUMNS = (104, 78), 6, 3
_FOUND, _GUESSED = (0, 210, 90), (255, 60, 40)


def seen_pixels(img: Tensor, dataset: Any, cfg: Config) -> Pixels:
    """Return the picture [H, W, 3] of a network's input [3, H, W].

    Args:
        img: One normalised image.
        dataset: Its data set, whose pipeline holds mean and deviation.
        cfg: The config; holds them where the device normalises (``prefetch``).
    """
    normalize = find_normalize(dataset)
    mean, std = ((0.0,), (1.0,)) if normalize is None else (normalize.mean, normalize.std)
    if cfg.get("prefetch"):
        mean, std = cfg.img_norm_cfg["mean"], cfg.img_norm_cfg["std"]
    pixels = img.detach().float().cpu().numpy()
    pixels = pixels * np.reshape(std, (-1, 1, 1)) + np.reshape(mean, (-1, 1, 1))
    return np.asarray(np.rint(255 * pixels.clip(0, 1)), np.uint8).transpose(1, 2, 0)


def enlarged(pixels: Pixels) -> Pixels:
    """Return the same picture, 176 pixels wide."""
    size = WIDTH, max(1, round(pixels.shape[0] * WIDTH / pixels.shape[1]))
    method = cv2.INTER_AREA if pixels.shape[1] > WIDTH else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, size, interpolation=method), np.uint8)


def heat_over(pixels: Pixels, heat: NDArray[np.float32]) -> Pixels:
    """Return a picture under a heat map: no heat leaves it as it is, the most is yellow.

    Args:
        pixels: The picture [H, W, 3].
        heat: The heat map [h, w], 0 or more; it is divided by its largest value.
    """
    height, width = pixels.shape[:2]
    large = cv2.resize(heat, (width, height), interpolation=cv2.INTER_LINEAR)
    level = np.asarray(large / max(float(heat.max()), 1e-12))[..., None]  # [H, W, 1], 0..1
    # The colour says how hot a place is, and so does its opacity: cold places stay visible.
    levels = np.rint(255 * level).astype(np.uint8)
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS)[..., ::-1]
    mixed = pixels + _HEAT * level * (colours.astype(np.float32) - pixels)
    return np.asarray(np.rint(mixed), np.uint8)


def mask_sheet(source: Any, masks: LesionMasks, indices: Sequence[int]) -> Pixels:
    """Return a sheet of images with the outline of their mask, the lesion hidden, and it alone.

    Args:
        source: A data source.
        masks: Masks of its images.
        indices: Indices of the images.
    """
    triples = [_triple(source, masks, i) for i in indices]
    columns = min(_COLUMNS, len(triples))
    rows = -(-len(triples) // columns)
    height, width = triples[0].shape[:2]
    sheet = np.full((rows * (height + _GAP), columns * (width + _GAP), 3), 255, np.uint8)
    for n, triple in enumerate(triples):
        top, left = n // columns * (height + _GAP), n % columns * (width + _GAP)
        sheet[top : top + height, left : left + width] = triple
    return sheet[:-_GAP, :-_GAP]


def _triple(source: Any, masks: LesionMasks, index: int) -> Pixels:
    """Return the three views of an image side by side, the first with the outline."""
    image, row = source.load_pixels(index)
    pixels = as_rgb(image)
    lesion = masks.mask(row, *pixels.shape[:2])
    views = [
        np.asarray(cv2.resize(hide(pixels, lesion, view), _TILE, interpolation=cv2.INTER_AREA))
        for view in VIEWS
    ]
    small = masks.mask(row, _TILE[1], _TILE[0]).astype(np.uint8)
    outlines, _ = cv2.findContours(small, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    colour = _GUESSED if masks.guessed[row] else _FOUND
    views[0] = np.asarray(cv2.drawContours(views[0].copy(), outlines, -1, colour, 1))
    return np.concatenate(views, axis=1).astype(np.uint8)


def write_webp(pixels: Pixels, path: Path) -> None:
    """Write a picture, whole or not at all."""
    with atomic_write(path) as file:
        Image.fromarray(pixels).save(file, format="WEBP", quality=_QUALITY, method=6)
