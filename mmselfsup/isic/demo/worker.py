"""What a drawing process runs; it imports numpy and OpenCV only, so that it starts fast."""

import os
from dataclasses import dataclass

import cv2
import numpy as np

from .canvas import Rng
from .render import render

_JPEG_QUALITY = 90


@dataclass(frozen=True)
class Order:
    """One photograph to be drawn.

    Attributes:
        path: the file to write.
        label: class of the lesion.
        lesion: number of the lesion.
        photo: number of the photograph.
    """

    path: str
    label: str
    lesion: int
    photo: int


def generator(seed: int, *key: int) -> Rng:
    """The generator of one thing, independent of all others and of the order of drawing."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def set_up_process() -> None:
    """Keep OpenCV to one thread: the cores are shared out over processes."""
    cv2.setNumThreads(1)


def draw_batch(orders: list[Order], size: int, seed: int) -> int:
    """Draw and write photographs; returns how many.

    Each file is written aside and renamed, so that a stopped run leaves no half file under its
    final name.
    """
    for order in orders:
        lesion = generator(seed, 1, order.lesion)
        rgb = render(order.label, lesion, generator(seed, 2, order.photo), size)
        quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        done, jpeg = cv2.imencode(".jpg", np.ascontiguousarray(rgb[..., ::-1]), quality)
        if not done:
            raise OSError(f"OpenCV can't encode {order.path}")
        folder, name = os.path.split(order.path)
        aside = os.path.join(folder, f".{name}.tmp")
        with open(aside, "wb") as file:
            file.write(jpeg.tobytes())
        os.replace(aside, order.path)
    return len(orders)
