"""What a training knows of its data before the first iteration: sizes, and labels of the head."""

from bisect import bisect_right
from typing import Any

import numpy as np
from torch import nn

from mmselfsup.datasets.data_sources import BaseDataSource
from mmselfsup.datasets.data_sources.lists import MAX_LABEL
from mmselfsup.datasets.dataset_wrappers import ConcatDataset, RepeatDataset
from mmselfsup.utils import dist
from mmselfsup.utils.data_info import DataInfo
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.module import unwrap


def check_labels(model: nn.Module, size: DataInfo, part: str, unknown: bool = False) -> None:
    """Let a model that has classes check the labels of a data set, before the first iteration."""
    check = getattr(unwrap(model), "check_labels", None)
    if callable(check):
        check(size, part, unknown)


def data_size(loader: Any, distributed: bool) -> DataInfo:
    """Return the number of different images of the training, and of images in one iteration."""
    ranks = dist.get_world_size() if distributed else 1
    data = loader.dataset
    labels = getattr(data, "gt_labels", None)
    counts = None if labels is None else class_counts(labels)
    shape: tuple[int, ...] = () if labels is None else np.asarray(labels).shape
    several = shape[1] if len(shape) == 2 else 1
    unlabelled = 0 if labels is None else int((np.asarray(labels) < 0).sum())
    first = ""
    if unlabelled:
        without = (np.asarray(labels) < 0).reshape(len(data), -1).any(axis=1)  # [len]
        first = place_of(data, int(without.argmax()))
    largest = "" if counts is None else place_of(data, int(np.asarray(labels).argmax()))
    num_images = getattr(data, "num_images", len(data))
    if counts is not None:  # a RepeatDataset has its labels as often as it repeats
        counts = tuple(count * num_images // len(data) for count in counts)
    no_flag, flags = "", None
    if several > 1:
        table = np.asarray(labels)  # [len, L]
        wrong = ((table != 0) & (table != 1)).any(axis=1)
        no_flag = place_of(data, int(wrong.argmax())) if wrong.any() else ""
        flags = tuple((table == 1).sum(axis=0).tolist())
    return DataInfo(
        num_images, loader.batch_size * ranks, counts, unlabelled, first, largest, several,
        no_flag, flags,
    )  # fmt: skip


def class_counts(labels: Any) -> tuple[int, ...] | None:
    """Return the images per class, from labels [len]; None if an image has no label or several.

    Raises:
        UserError: A label is too large to be a class.
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or not len(labels) or labels.min() < 0:
        return None
    numbers, counts = np.unique(labels, return_counts=True)
    if numbers[-1] > MAX_LABEL:  # before there is an array with a place for each class below it
        raise UserError(
            f"data.train: a label is {numbers[-1]}; classes are numbered from 0 to {MAX_LABEL}"
        )
    of_class = np.zeros(numbers[-1] + 1, np.int64)
    of_class[numbers] = counts
    return tuple(of_class.tolist())


def place_of(dataset: Any, idx: int) -> str:
    """Return where the image ``idx`` of a data set is listed: its list, line and name."""
    if isinstance(dataset, RepeatDataset):
        return place_of(dataset.dataset, idx % len(dataset.dataset))
    if isinstance(dataset, ConcatDataset):
        part = bisect_right(dataset.cumulative_sizes, idx)
        begin = dataset.cumulative_sizes[part - 1] if part else 0
        return place_of(dataset.datasets[part], idx - begin)
    source = getattr(dataset, "data_source", None)
    if not isinstance(source, BaseDataSource):
        return f"image {idx}"
    line, path = source.data_infos[idx].get("line"), source.path(idx)
    return f"{path} (line {line} of {source.ann_file})" if line else path
