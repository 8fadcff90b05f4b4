"""The data sets of a run compared with each other, before the first step."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils._pytree import tree_leaves

from mmselfsup.datasets.loader import data_sources
from mmselfsup.datasets.source_check import report_shared
from mmselfsup.datasets.utils import find_normalize
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.plurals import counted
from mmselfsup.utils.seed import rng_untouched

_IMAGENET_MEAN = (0.485, 0.456, 0.406)  # red, green, blue; torchvision's
_SHOWN = 8  # classes that are named


def check_channels(datasets: Mapping[str, Any], first: str = "data.train") -> None:
    """Check that the images of all data sets have as many channels as those of the first.

    Args:
        datasets: The data sets by their keys.
        first: The one that the others are compared with.

    Raises:
        UserError: Those of another one have more or fewer.
    """
    with rng_untouched():
        numbers = {part: _num_channels(dataset) for part, dataset in datasets.items()}
    wanted = numbers[first]
    for part, number in numbers.items():
        if None not in (number, wanted) and number != wanted:
            raise UserError(
                f"{part}: an image has {counted(number or 0, 'channel')} behind the pipeline, one "
                f"of {first} has {wanted}: give both the same color_type and the same steps"
            )


def report_unseen_classes(
    datasets: Mapping[str, Any], logger: logging.Logger, first: str = "data.train"
) -> None:
    """Warn of labels of other data sets that the first one has no image of.

    Args:
        datasets: The data sets by their keys, each with one label an image.
        logger: Logger of the warnings.
        first: The one whose labels are learned.
    """
    found = {part: np.unique(dataset.gt_labels) for part, dataset in datasets.items()}
    names: Any = getattr(datasets[first], "CLASSES", None)
    for part, labels in found.items():
        unseen = np.setdiff1d(labels[labels >= 0], found[first]).tolist()  # -1: no label
        if unseen:
            known = unseen[-1] < len(names or ())
            shown = ", ".join(str(names[n] if known else n) for n in unseen[:_SHOWN])
            logger.warning(
                "%s: %s without an image in %s, whose images are never recognised: %s%s",
                part, counted(len(unseen), "class"), first, shown,
                " ..." if len(unseen) > _SHOWN else "",
            )  # fmt: skip


def _num_channels(dataset: Any) -> int | None:
    """Return the channels of a data set's images behind the pipeline; None where unknown."""
    with suppress(Exception):  # what can't be read is reported by the run itself
        sample = dataset[0]
        views = tree_leaves(sample.get("img"))
        return next((int(v.shape[-3]) for v in views if isinstance(v, Tensor) and v.ndim > 2), None)
    return None


def report_normalizations(
    datasets: Mapping[str, Any], logger: logging.Logger, first: str = "data.train"
) -> None:
    """Warn of a data set that is normalised otherwise than the first, and of swapped channels.

    Args:
        datasets: The data sets by their keys.
        logger: Logger of the warnings.
        first: The one that the others are compared with.
    """
    found = {part: _statistics(dataset) for part, dataset in datasets.items()}
    for part, other in found.items():
        if other != found[first]:
            logger.warning(
                "%s: %s, and %s: %s; the network gets other values than it is trained on: give "
                "both the same Normalize", first, _said(found[first]), part, _said(other),
            )  # fmt: skip
    order = [getattr(s, "reader", None) for s in data_sources(datasets[first])]
    mean = (found[first] or ((), ()))[0]
    swapped = len(mean) == 3 and np.allclose(mean, _IMAGENET_MEAN[::-1], atol=2e-3)
    if swapped and any(getattr(reader, "channel_order", "") == "rgb" for reader in order):
        logger.warning(
            "%s: mean=%s are ImageNet's statistics for blue, green, red, and the images are RGB: "
            "reverse mean and std, or set channel_order='bgr' in the data source",
            first, list(mean),
        )  # fmt: skip


def _statistics(dataset: Any) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Return mean and deviation of a data set's first ``Normalize``; None without one."""
    step = find_normalize(dataset)
    if step is None:
        return None
    mean, std = (tuple(np.ravel(value).tolist()) for value in (step.mean, step.std))
    return mean, std


def _said(statistics: tuple[tuple[float, ...], tuple[float, ...]] | None) -> str:
    """Return mean and deviation for a line."""
    if statistics is None:
        return "no Normalize"
    return f"mean={list(statistics[0])}, std={list(statistics[1])}"


def report_overlap(datasets: Mapping[str, Any], first: str = "data.train") -> None:
    """Warn of images or lesions that another data set has in common with the first.

    Args:
        datasets: The data sets by their keys.
        first: The one that the others are compared with.
    """
    ours = list(data_sources(datasets[first]))
    for part, dataset in datasets.items():
        for source in data_sources(dataset) if part != first else ():
            for own in ours:
                report_shared(own, source, (first, part))
