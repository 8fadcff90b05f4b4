"""Few labels: how many, how often they are drawn, and for how long a classifier is trained on them.

The images are drawn by whole lesions, class by class (``StudyData.subset_command``), the same for
all arms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from mmselfsup.utils.errors import UserError

#: Times that each part of the labels is drawn, if nothing is given.
DRAWS = 3


def read_labels(texts: Sequence[str]) -> tuple[float, ...]:
    """Read percentages of labels, sorted; 100 is left out: all labels are always used.

    Raises:
        UserError: A value is no percentage.
    """
    percents = set()
    for text in texts:
        try:
            value = float(text.removesuffix("%"))
        except ValueError:
            value = math.nan
        if not 0 < value <= 100:
            raise UserError(f"--labels {text}: give percentages above 0, to 100, such as 1% 10%")
        percents.add(float(f"{value:g}"))  # as folders and lists are named
    return tuple(sorted(percents - {100.0}))


def label_epochs(epochs: int, percent: float) -> int:
    """Return the epochs of a fine-tuning on a part of the labels: twice for each tenth.

    As in the configs of the few-label benchmark of MMSelfSup 0.x: 50 epochs on all images of
    ISIC-2019, 100 on 10 %, 200 on 1 %.

    Args:
        epochs: Epochs on all labels.
        percent: Part of the labels, above 0, to 100.
    """
    return round(epochs * 2 ** math.log10(100 / percent))


def subset_name(path: Path, percent: float) -> str:
    """Return the file name of a part of a list, as ``make_label_subsets.py`` writes it."""
    return f"{path.stem}_{percent:g}pct.txt"
