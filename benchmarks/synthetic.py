"""Synthetic JPEG files for benchmarks: smooth random colours with fine noise, each its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def write_images(folder: Path, count: int, width: int, height: int, seed: int = 0) -> list[str]:
    """Write RGB images as JPEG files of quality 90, and return their names in order.

    Args:
        folder: An existing folder.
        count: Number of images.
        width, height: Size of each in pixels, at least 8.
        seed: Seed of the colours.
    """
    rng = np.random.default_rng(seed)
    names = [f"{number:06d}.jpg" for number in range(count)]
    for name in names:
        coarse = rng.integers(0, 256, (height // 8, width // 8, 3), np.uint8)
        smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        noise = rng.normal(0, 4, (height, width, 3))
        pixels = np.clip(np.asarray(smooth) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / name, quality=90)
    return names
