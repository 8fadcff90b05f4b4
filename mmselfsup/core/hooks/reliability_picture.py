"""A reliability plot in TensorBoard: does the accuracy match the confidence?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .writer import tensorboard_writer


def draw_reliability(scores: ArrayLike, labels: ArrayLike) -> NDArray[np.uint8]:
    """Draw accuracy over confidence, and below it how many images have which confidence.

    Args:
        scores: Probabilities [N, C].
        labels: True classes [N].

    Returns:
        Pixels [H, W, 3] in 0..255.
    """
    # Imported where it is used: matplotlib is slow to load.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from mmselfsup.metrics import calibration_bins, expected_calibration_error

    bins = calibration_bins(scores, labels)
    num = len(bins["count"])
    left = np.arange(num) / num  # [M]
    style = {"width": 1 / num, "align": "edge", "edgecolor": "white"}
    figure = Figure(figsize=(4.6, 5.4), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.bar(left, np.nan_to_num(bins["accuracy"]), color="#3b6ea5", label="accuracy", **style)
    above.plot(bins["confidence"], bins["confidence"], "k_", ms=12, label="mean confidence")
    above.plot((0, 1), (0, 1), "--", color="#999999", lw=1)
    above.set(ylim=(0, 1), ylabel="fraction that is right")
    above.set_title(f"expected calibration error {expected_calibration_error(scores, labels):.3f}")
    above.legend(loc="upper left", frameon=False)
    below.bar(left, bins["count"], color="#999999", **style)
    below.set(xlim=(0, 1), xlabel="confidence (highest probability)", ylabel="images")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def show_reliability(
    runner: Any, dataset: Any, results: Mapping[str, Any], unk_threshold: float | None = None
) -> None:
    """Send the plot of each head to TensorBoard, if it is in use and images have a label.

    The arguments are those of ``show_confusion``.
    """
    writer = tensorboard_writer(runner)
    labels = getattr(dataset, "gt_labels", None)
    if writer is None or labels is None:
        return
    from mmselfsup.metrics import without_threshold

    for head, head_scores in results.items():
        picture = draw_reliability(without_threshold(head_scores, unk_threshold), labels)
        writer.add_image(f"reliability/{head}", picture, runner.iter, dataformats="HWC")
