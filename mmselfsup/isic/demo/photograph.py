"""Drawing of one photograph of one lesion, and the work of a drawing process.

Deterministic: the lesion's generator determines the lesion, the photograph's generator the view
of it and what the photograph adds.

Of the package this file imports nothing but its two neighbours and one small helper, and besides
them only numpy and OpenCV: each drawing process imports it when it starts.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mmselfsup.utils.parent import end_with_parent

from .drawing import (
    Canvas,
    Rng,
    add_bubbles,
    add_hair,
    add_ruler,
    light,
    rotation,
    sensor,
    vignette,
)
from .lesions import (
    Layers,
    Tone,
    draw_skin,
    draw_tone,
    paint_ak,
    paint_bcc,
    paint_bkl,
    paint_df,
    paint_mel,
    paint_nv,
    paint_scc,
    paint_vasc,
)

Painter = Callable[[Canvas, Rng, Layers, Tone], None]
PAINTERS: dict[str, Painter] = {
    "MEL": paint_mel,
    "NV": paint_nv,
    "BCC": paint_bcc,
    "AK": paint_ak,
    "BKL": paint_bkl,
    "DF": paint_df,
    "VASC": paint_vasc,
    "SCC": paint_scc,
}
_LESION_RADIUS = 0.40  # of the image height, at zoom 1
_SCATTER = 0.03  # of the lesion radius: how far light spreads in skin
_FINE_BELOW = 200  # short sides under this are drawn at twice their size
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


def width_of(size: int) -> int:
    """Return the number of columns of a 4:3 image whose short side is ``size``."""
    return round(size * 4 / 3)


def _draw_view(size: int, rng: Rng) -> Canvas:
    """Return a canvas with a random place, zoom, tilt and rotation of the lesion."""
    factor = 2 if size < _FINE_BELOW else 1  # lines are at least one pixel wide
    height, width = size * factor, width_of(size) * factor
    zoom = float(np.exp(np.clip(rng.normal(0, 0.2), -0.35, 0.35)))
    tilt = np.diag(np.exp(rng.normal(0, 0.05, 2)) * rng.choice([-1.0, 1.0], 2))
    turn = rotation(rng.uniform(0, 2 * np.pi))
    matrix = turn @ tilt @ rotation(rng.uniform(0, np.pi)) * (zoom * _LESION_RADIUS * height)
    shift = np.clip(rng.normal(0, 0.07, 2), -0.16, 0.16) * height
    centre = (width / 2 + shift[0], height / 2 + shift[1])
    return Canvas(height, width, matrix, centre)


def render(label: str, lesion: Rng, photo: Rng, size: int) -> NDArray[np.uint8]:
    """Return one photograph.

    Args:
        label: Class of the lesion, a key of ``PAINTERS``.
        lesion: Generator of the lesion; equal generators draw the same lesion.
        photo: Generator of the view and the nuisances.
        size: Short side in pixels; the other is 4/3 of it.

    Returns:
        RGB image [H, W, 3].
    """
    canvas = _draw_view(size, photo)
    layers = draw_skin(canvas, lesion)
    PAINTERS[label](canvas, lesion, layers, draw_tone(lesion))
    rgb = layers.compose(_SCATTER * canvas.scale)
    for chance, add in (
        (0.35, add_hair),
        (0.15, add_ruler),
        (0.15, add_bubbles),
    ):
        if photo.random() < chance:
            rgb = add(rgb, photo)
    # Shrunk before light and sensor: their noise belongs to the pixels of the final image.
    if canvas.height != size:
        small = cv2.resize(rgb, (width_of(size), size), interpolation=cv2.INTER_AREA)
        rgb = np.asarray(small, np.float32)
    rgb = vignette(light(rgb, photo), photo)
    rgb = sensor(rgb, photo)
    return np.clip(np.round(rgb * 255), 0, 255).astype(np.uint8)


def generator(seed: int, *key: int) -> Rng:
    """Return the generator of one object, independent of all others and of the drawing order."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def set_up_process(parent: int) -> None:
    """Set OpenCV to one thread, as each process uses one core, and end with the parent."""
    end_with_parent(parent)
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
