"""Tell modules and hooks how large the training data are, so that no length is set by hand."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class DataInfo:
    """The size of a training run.

    Attributes:
        num_images: length of the training data set.
        batch_size: images of one iteration, over all ranks.
        class_counts: images of each class, from class 0; None for data without labels.
        num_unlabelled: samples whose label is -1, where the data have labels.
    """

    num_images: int
    batch_size: int
    class_counts: tuple[int, ...] | None = None
    num_unlabelled: int = 0


def fit_to_data(parts: Iterable[Any], size: DataInfo) -> None:
    """Call ``fit_dataset(size)`` of every part that has it, before the first iteration.

    A memory bank, a queue or a hook takes its length from there where none was given, and raises
    :class:`~mmselfsup.utils.errors.UserError` where the given one can't work.

    Args:
        parts: modules of a model, or hooks.
        size: of the training data.
    """
    for part in parts:
        fit = getattr(part, "fit_dataset", None)
        if callable(fit):
            fit(size)
