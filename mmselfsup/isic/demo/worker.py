"""Work of a drawing process; imports only numpy and OpenCV, so that the process starts fast."""

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
        path: The file to write.
        label: Class of the lesion.
        lesion: Number of the lesion.
        photo: Number of the photograph.
    """

    path: str
    label: str
    lesion: int
    photo: int


def generator(seed: int, *key: int) -> Rng:
    """Return the generator of one object, independent of all others and of the drawing order."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def set_up_process() -> None:
    """Set OpenCV to one thread: each process uses one core."""
    cv2.setNumThreads(1)


def draw_batch(orders: list[Order], size: int, seed: int) -> int:
    """Draw and write photographs; return their number.

    Each file is written under another name and renamed, so that a stopped run leaves no
    incomplete file under the final name.
    """
    for order in orders:
        lesion = generator(seed, 1, order.lesion)
        rgb = render(order.label, lesion, generator(seed, 2, order.photo), size)
        quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        encoded, jpeg = cv2.imencode(".jpg", np.ascontiguousarray(rgb[..., ::-1]), quality)
        if not encoded:
            raise OSError(f"OpenCV can't encode {order.path}")
        folder, name = os.path.split(order.path)
        temporary = os.path.join(folder, f".{name}.tmp")
        with open(temporary, "wb") as file:
            file.write(jpeg.tobytes())
        os.replace(temporary, order.path)
    return len(orders)
