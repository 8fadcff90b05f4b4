"""The notes below the table of all runs."""

from __future__ import annotations

import re

from .recipe import FoundRuns

NUMBERS = (
    "Mean ± standard deviation over the runs (folds and seeds); columns of classes: recall."
    " Gain: balanced accuracy minus that from scratch on the same data, folds and seeds, "
    "with its 95 % interval (several folds: corrected resampled t interval; one fold: "
    "sampling error of its test images and variance over seeds). Bold: better than every "
    "other row on the same lists, interval included, not corrected for the number of rows."
)
SAW_TEST = (
    "Pre-trained on all images, test images included: the network has seen, without their labels, "
    "the images that it was tested on. Such rows are never bold."
)


def overview_notes(found_runs: FoundRuns) -> list[str]:
    """Return sentences that explain the numbers."""
    lines, groups = [NUMBERS], found_runs.groups
    if any(group.saw_test_images for group in groups):
        lines.append(SAW_TEST)
    if any(re.search(r" \(\d+\)$", group.label) for group in groups):
        lines.append(
            "Numbers in brackets distinguish rows of the same name; table.csv has their conditions."
        )
    if found_runs.num_repeated:
        lines.append(
            f"{found_runs.num_repeated} runs exist more than once (same settings, fold "
            "and seed): the newest counts."
        )
    if any(group.demo for group in groups):
        lines.append("Runs on the demo's synthetic images say nothing about skin.")
    return [*lines, *(f"Left out: {reason}" for reason in found_runs.skipped)]
