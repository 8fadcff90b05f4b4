"""The reliability diagram: accuracy over confidence, from the scores of the tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mmselfsup.metrics import calibration_bins, expected_calibration_error

from .collect import read_scores
from .curves import Drawing
from .record import RunRecord
from .settings import SCRATCH
from .svg import MUTED, panel, to_svg
from .verdict import display_name

_LARGEST_DOT = 120.0  # area in square points: the bin with the most images
_FEWEST_JOINED = 10  # images of a bin that the line includes: the accuracy of fewer is noise


def reliability(
    runs: Sequence[RunRecord], colors: Mapping[str, str], work_dir: Path
) -> list[Drawing]:
    """Draw the accuracy over the confidence, a line for each classifier, a dot for each bin.

    Args:
        runs: The classifiers.
        colors: Colour of each arm.
        work_dir: Work directory of the study; classifiers without scores
            are left out.

    Returns:
        One figure with its caption; none without scores.
    """
    paths = {run.arm: work_dir / "finetune" / run.arm / "test" / "scores.npz" for run in runs}
    scores = {arm: read_scores(path) for arm, path in paths.items() if path.is_file()}
    if not scores:
        return []
    errors = {arm: expected_calibration_error(*values) for arm, values in scores.items()}
    with panel(height=4.3) as (figure, axes):
        axes.plot((0, 1), (0, 1), ":", color=MUTED, linewidth=1)
        for arm, values in scores.items():
            bins = calibration_bins(*values)
            filled = bins["count"] > 0  # empty bins have no accuracy
            sizes = _LARGEST_DOT * bins["count"][filled] / np.max(bins["count"])
            x, y = bins["confidence"][filled], bins["accuracy"][filled]
            style = "--" if arm == SCRATCH else "-"
            many = bins["count"][filled] >= _FEWEST_JOINED
            color, label = colors[arm], display_name(arm)
            axes.plot(x[many], y[many], style, color=color, label=label, linewidth=1)
            axes.scatter(x, y, sizes, color=color, alpha=0.7, linewidths=0)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.set_xlabel("confidence (highest probability)")
        axes.set_ylabel("accuracy")
        axes.legend(loc="best")
        svg = to_svg(figure, "reliability", "Accuracy over the confidence")
    listed = ", ".join(f"{display_name(arm)} {error:.3f}" for arm, error in errors.items())
    caption = (
        "Reliability: test images in bins of confidence, the area of a dot by their number; lines "
        f"leave out bins with fewer than {_FEWEST_JOINED}. On the dotted line accuracy equals "
        f"confidence. Expected calibration error: {listed}."
    )
    return [(caption, svg)]
