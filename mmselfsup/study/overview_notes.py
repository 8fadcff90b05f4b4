"""What a reader of the table of all runs must know."""

from __future__ import annotations

import re

from .recipe import Findings

NUMBERS = (
    "Mean ± standard deviation over the runs (folds and seeds); columns of classes: recall."
    " Gain: balanced accuracy minus that from scratch on the same data, folds and seeds, "
    "with its 95 % interval (several folds: corrected resampled t interval; one fold: "
    "sampling error of its test images and spread over seeds). Bold: better than every "
    "other row on the same lists, interval included, not corrected for the number of rows."
)
SAW_TEST = (
    "Pre-trained on all images, test images included: the network has seen, without their labels, "
    "the images that it was tested on. Such rows take no part in the contest for bold."
)


def overview_notes(findings: Findings) -> list[str]:
    """Say what the numbers are."""
    lines, recipes = [NUMBERS], findings.recipes
    if any(recipe.saw_test_images for recipe in recipes):
        lines.append(SAW_TEST)
    if any(re.search(r" \(\d+\)$", recipe.label) for recipe in recipes):
        lines.append("Numbers in brackets tell recipes of one name apart; table.csv says which.")
    if findings.num_repeated:
        lines.append(
            f"{findings.num_repeated} runs were there more than once (same recipe, fold "
            "and seed): the newest counts."
        )
    if any(recipe.demo for recipe in recipes):
        lines.append("Runs on the demo's made images say nothing about skin.")
    return [*lines, *(f"Left out: {reason}" for reason in findings.skipped)]
