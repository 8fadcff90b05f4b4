"""The CSV file that the ISIC-2019 challenge scores. Letters: N images, C classes."""

import os

import numpy as np
import pandas as pd

from mmselfsup.evaluation.scores import ScoreFile
from mmselfsup.metrics import probabilities, unknown_score
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write_text

from .labels import CLASSES, UNKNOWN
from .layout import IMAGE_SUFFIXES

COLUMNS = ("image", *CLASSES, UNKNOWN)
DIGITS = 9  # decimals; float32 has fewer near 1


def submission_table(scores: ScoreFile, unk_threshold: float | None = None) -> pd.DataFrame:
    """Return the rows of a submission: one for each image, in the order of the scores.

    Args:
        scores: Scores of eight classes in the order of ``CLASSES``, or of nine, ``UNK`` last.
        unk_threshold: With eight classes: an image whose highest probability is below this is
            ``UNK`` (see ``unknown_score``); None gives ``UNK`` the probability 0.

    Returns:
        A table with the columns ``COLUMNS``: the name without extension, scores 0..1. The known
        classes have the probabilities of the network, so that each stays on its side of 0.5, the
        challenge's threshold; with ``unk_threshold`` the nine add up to more than 1, which it
        allows.

    Raises:
        UserError: The images have no names or one twice, or the classes are others.
    """
    if scores.images is None:
        raise UserError(f"{scores.path} doesn't name its images: write it again with test.py")
    known = scores.scores.shape[1]
    if known not in (len(CLASSES), len(CLASSES) + 1):
        raise UserError(f"{scores.path} has {known} classes, a submission has 8, or 9 with UNK")
    if scores.classes is not None and scores.classes != list(COLUMNS[1 : known + 1]):
        raise UserError(
            f"{scores.path} has the classes {', '.join(scores.classes)}; a submission wants them "
            f"in the order {', '.join(COLUMNS[1:])}"
        )
    if unk_threshold is not None and known > len(CLASSES):
        raise UserError(f"{scores.path} has an output for UNK: leave --unk-threshold out")
    try:
        # A softmax of scores; averaged probabilities stay as they are.
        probs = probabilities(scores.scores)
        if unk_threshold is not None:
            probs = np.column_stack((probs, unknown_score(probs, unk_threshold)))
    except ValueError as error:
        raise UserError(f"--unk-threshold: {error}") from error
    table = pd.DataFrame(probs, columns=list(COLUMNS[1 : probs.shape[1] + 1]))
    table.insert(0, "image", [_stem(name) for name in scores.images])
    if UNKNOWN not in table:
        table[UNKNOWN] = 0.0
    twice = table["image"][table["image"].duplicated()]
    if len(twice):
        raise UserError(f"{scores.path}: the image {twice.iloc[0]} is listed more than once")
    return table


def write_submission(table: pd.DataFrame, path: str) -> None:
    """Write the table as the challenge wants it, whole or not at all."""
    text: str = table.to_csv(index=False, float_format=f"%.{DIGITS}f", lineterminator="\n")
    atomic_write_text(path, text)


def _stem(name: str) -> str:
    """Return the name of an image without folders and extension."""
    stem, suffix = os.path.splitext(os.path.basename(name))
    return stem if suffix.lower() in IMAGE_SUFFIXES else stem + suffix
