"""The choice of each arm's learning rate on validation lesions, never on the test fold."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from mmselfsup.utils.errors import UserError

from .record import SearchRecord


def choose_lr(tried: Sequence[SearchRecord]) -> list[SearchRecord]:
    """Mark the learning rate with the highest balanced accuracy after the last epoch.

    The last epoch counts because the final training is measured after its last epoch, too. Equal
    values: the smaller learning rate. Diverged runs are never chosen.

    Args:
        tried: The learning rates of one arm.

    Raises:
        UserError: All of them diverged.
    """
    usable = [run for run in tried if run.balanced_accuracy is not None]
    if not usable:
        values = ", ".join(f"{run.lr:g}" for run in tried)
        raise UserError(
            f"no learning rate of {values} gave a result for {tried[0].arm}: the loss was not "
            "finite; try smaller ones with FINETUNE_LRS"
        )
    # -lr: of equal values the smaller learning rate.
    best = max(usable, key=lambda run: (run.balanced_accuracy or 0.0, -run.lr))
    return [dataclasses.replace(run, chosen=run is best) for run in tried]


def at_the_edge(tried: Sequence[SearchRecord]) -> str | None:
    """Return a warning when the chosen learning rate is the smallest or largest of several."""
    lrs = sorted(run.lr for run in tried)
    chosen = next((run.lr for run in tried if run.chosen), math.nan)
    if len(lrs) < 2 or chosen not in (lrs[0], lrs[-1]):
        return None
    side = "smallest" if chosen == lrs[0] else "largest"
    return f"{tried[0].arm}: the chosen learning rate {chosen:g} is the {side} tried"
