"""Plots of a classifier's predictions and of features as pixels, and the files of them.

Letters: N images, C classes, M bins, H, W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from mmselfsup.metrics import calibration_bins, expected_calibration_error
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Formats of pictures by their file extension.
PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}


def check_picture(path: str) -> None:
    """Check the name of a picture before the work is done.

    Raises:
        UserError: It is a folder or a file of another type.
    """
    if Path(path).suffix.lower() not in PICTURES or Path(path).is_dir():
        raise UserError(f"{path}: name a .png or .jpg file")


def write_picture(path: str, pixels: NDArray[np.uint8]) -> None:
    """Write pixels [H, W, 3] as PNG or JPEG, completely or not at all."""
    with atomic_write(path) as file:
        Image.fromarray(pixels).save(file, format=PICTURES[Path(path).suffix.lower()])


def draw_confusion(matrix: NDArray[np.int64], names: Sequence[str]) -> NDArray[np.uint8]:
    """Draw counts [C, C] (rows are the true classes), coloured by their fraction of the row.

    Returns:
        Pixels [H, W, 3] in 0..255.
    """
    size = 2.0 + 0.55 * len(names)
    figure = _figure(size, size)
    axes = figure.add_subplot()
    # At least 1: the row of a class without images would be divided by 0.
    fraction = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)  # [C, C]
    axes.imshow(fraction, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(matrix.shape):
        colour = "white" if fraction[row, column] > 0.5 else "black"
        axes.text(column, row, str(matrix[row, column]), ha="center", va="center", color=colour)
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("truth")
    return _pixels(figure)


def draw_reliability(scores: ArrayLike, labels: ArrayLike) -> NDArray[np.uint8]:
    """Draw accuracy over confidence, and below it how many images have which confidence.

    Args:
        scores: Probabilities [N, C].
        labels: True classes [N].

    Returns:
        Pixels [H, W, 3] in 0..255.
    """
    bins = calibration_bins(scores, labels)
    num = len(bins["count"])
    left = np.arange(num) / num  # [M]
    style: dict[str, Any] = {"width": 1 / num, "align": "edge", "edgecolor": "white"}
    figure = _figure(4.6, 5.4)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.bar(left, np.nan_to_num(bins["accuracy"]), color="#3b6ea5", label="accuracy", **style)
    above.plot(bins["confidence"], bins["confidence"], "k_", ms=12, label="mean confidence")
    above.plot((0, 1), (0, 1), "--", color="#999999", lw=1)
    above.set(ylim=(0, 1), ylabel="fraction that is right")
    above.set_title(f"expected calibration error {expected_calibration_error(scores, labels):.3f}")
    above.legend(loc="upper left", frameon=False)
    below.bar(left, bins["count"], color="#999999", **style)
    below.set(xlim=(0, 1), xlabel="confidence (highest probability)", ylabel="images")
    return _pixels(figure)


def draw_embedding(
    positions: NDArray[np.float32], labels: NDArray[np.int64], names: Sequence[str]
) -> NDArray[np.uint8]:
    """Draw images as points, coloured by their class.

    Args:
        positions: [N, 2].
        labels: [N], 0..C-1; -1 for images without a label, which are light grey.
        names: The C names.

    Returns:
        Pixels [H, W, 3] in 0..255.
    """
    figure = _figure(7.5, 6.0)
    axes = figure.add_subplot()
    marks = "o^sDvP*X"  # ten colours, then the next mark
    for label in np.unique(labels):
        points = positions[labels == label]
        style: dict[str, Any] = {"color": f"C{label % 10}", "marker": marks[label // 10 % 8]}
        if label < 0:
            style = {"color": "lightgrey", "marker": "."}
        name = "no label" if label < 0 else str(names[label])
        axes.scatter(points[:, 0], points[:, 1], s=6, label=name, **style)
    axes.set_axis_off()
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, markerscale=2)
    return _pixels(figure)


def draw_thumbnails(
    positions: NDArray[np.float32], thumbnail: Callable[[int], NDArray[np.uint8]], side: int = 24
) -> NDArray[np.uint8]:
    """Draw images at their places in an embedding, one for each cell of a grid.

    Args:
        positions: [N, 2], -1..1; x to the right, y upwards.
        thumbnail: Function that returns the pixels of an image, [T, T, 3], by its number.
        side: Number of cells in a row and in a column.

    Returns:
        Pixels [H, W, 3] in 0..255, white where no image is.
    """
    cells = ((positions.clip(-1, 1) + 1) / 2 * side).astype(int).clip(0, side - 1)  # [N, 2]
    taken: dict[tuple[int, int], int] = {}
    # Of the images in a cell the one nearest to its centre is shown.
    off_centre = np.abs((positions + 1) / 2 * side - cells - 0.5).sum(axis=1)
    for number in np.argsort(off_centre, kind="stable"):
        taken.setdefault((int(cells[number, 0]), int(cells[number, 1])), int(number))
    picture: NDArray[np.uint8] | None = None
    for (x, y), number in taken.items():
        pixels = thumbnail(number)
        size = len(pixels)
        if picture is None:
            picture = np.full((side * size, side * size, 3), 255, np.uint8)
        top, left = (side - 1 - y) * size, x * size
        picture[top : top + size, left : left + size] = pixels
    return np.zeros((1, 1, 3), np.uint8) if picture is None else picture


def _figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches."""
    # Imported where it is used: matplotlib is slow to load.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=100, layout="constrained")


def _pixels(figure: Figure) -> NDArray[np.uint8]:
    """Return a drawn figure as pixels [H, W, 3]."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to load

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
