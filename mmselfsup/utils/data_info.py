"""The size of the training data, passed to modules and hooks that derive a length from it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class DataInfo:
    """The size of a training run.

    Attributes:
        num_images: Length of the training data set.
        batch_size: Images of one iteration, over all ranks.
        class_counts: Images of each class, from class 0; None for data without labels.
        num_unlabelled: Samples whose label is -1, where the data have labels.
        unlabelled_at: Where the first sample without a label is listed, for error messages.
        largest_label_at: Where the first image of the last class is listed, for error messages.
        num_labels: Labels of an image; more than one for a list such as ``name 0 1 1 0``.
        no_flag_at: Where the first image with a label other than 0 and 1 is listed, if images have
            several; empty for none.
        flag_counts: Images of each class where images have several labels.
    """

    num_images: int
    batch_size: int
    class_counts: tuple[int, ...] | None = None
    num_unlabelled: int = 0
    unlabelled_at: str = ""
    largest_label_at: str = ""
    num_labels: int = 1
    no_flag_at: str = ""
    flag_counts: tuple[int, ...] | None = None


def fit_to_data(parts: Iterable[Any], size: DataInfo) -> None:
    """Call ``fit_dataset(size)`` of every part that has it, before the first iteration.

    A memory bank, a queue or a hook takes its length from ``size`` where none was given, and raises
    ``UserError`` where the given one can't work.

    Args:
        parts: Modules of a model, or hooks.
        size: Size of the training data.
    """
    for part in parts:
        fit = getattr(part, "fit_dataset", None)
        if callable(fit):
            fit(size)
