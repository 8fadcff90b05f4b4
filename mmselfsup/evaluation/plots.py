"""The confusion matrix as a picture in TensorBoard."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .writer import tensorboard_writer

MAX_CLASSES = 40


def draw_confusion(matrix: NDArray[np.int64], names: Sequence[str]) -> NDArray[np.uint8]:
    """Draw counts [C, C] (rows are the true classes), coloured by their fraction of the row.

    Returns:
        Pixels [H, W, 3] in 0..255.
    """
    # Imported where it is used: matplotlib is slow to load.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = 2.0 + 0.55 * len(names)
    figure = Figure(figsize=(size, size), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
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
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def show_confusion(
    runner: Any, dataset: Any, results: Mapping[str, Any], unk_threshold: float | None = None
) -> None:
    """Send the confusion matrix of each head to TensorBoard, if it is in use.

    Nothing happens for data sets without labels and for more than ``MAX_CLASSES`` classes.

    Args:
        runner: The runner of the training.
        dataset: The evaluated data set, with ``gt_labels`` and ``CLASSES``.
        results: The scores [N, C] of each head.
        unk_threshold: That of ``evaluation``: it adds the class UNK.
    """
    writer = tensorboard_writer(runner)
    labels = getattr(dataset, "gt_labels", None)
    if writer is None or labels is None:
        return
    from mmselfsup.metrics import confusion_matrix, with_unknown

    for head, head_scores in results.items():
        classes = getattr(dataset, "CLASSES", None)
        scores, names = with_unknown(head_scores, classes, unk_threshold)
        if scores.shape[1] > MAX_CLASSES:
            continue
        matrix = confusion_matrix(scores, labels, scores.shape[1])
        picture = draw_confusion(matrix, names or [str(i) for i in range(len(matrix))])
        writer.add_image(f"confusion/{head}", picture, runner.iter, dataformats="HWC")
