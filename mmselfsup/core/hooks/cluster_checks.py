"""Checks of a clustering of the training images, before the first iteration."""

from collections.abc import Sized
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmselfsup.utils.errors import UserError


def check_images(extracted: int, trained: int, num_clusters: int) -> None:
    """Check that the numbers of images and clusters fit together.

    Args:
        extracted: Number of images whose features are clustered.
        trained: Number of training images.
        num_clusters: Number of clusters in the config.

    Raises:
        UserError: The images of the extraction and of the training differ in number, or there are
            fewer images than clusters.
    """
    if extracted != trained:
        raise UserError(
            f"DeepClusterHook extracts {extracted} images, the training has {trained}: give "
            "extractor.dataset and data.train the same data_source, or the first one none"
        )
    if num_clusters > trained:
        raise UserError(
            f"{trained} training images can't make clustering.k={num_clusters} clusters: lower k"
        )


def check_labels(labels: NDArray[np.int64], model: Any) -> None:
    """Check that the head has a class for every cluster that was found.

    Raises:
        UserError: It has too few; a clustering such as ``PIC`` finds the number itself.
    """
    num_found, classes = int(labels.max()) + 1, getattr(model, "num_classes", None)
    if classes is not None and num_found > classes:
        raise UserError(
            f"the clustering found {num_found} clusters, the head has num_classes={classes}: "
            "raise it"
        )


def check_run(dataset: Any, model: Any, num_clusters: int | None, labels: Sized | None) -> None:
    """Check that data, model and checkpoint fit the clustering.

    Args:
        dataset: The training data set.
        model: The model without its wrapper.
        num_clusters: Number of clusters in the config; None where the clustering finds it.
        labels: The labels of a checkpoint; None for a run from the start.

    Raises:
        UserError: The data set takes no labels, the head has another number of classes, or the
            labels belong to other images.
    """
    if not hasattr(dataset, "assign_labels"):
        raise UserError("DeepClusterHook: data.train must be a DeepClusterDataset")
    classes = getattr(model, "num_classes", None)
    if None not in (num_clusters, classes) and num_clusters != classes:
        raise UserError(
            f"clustering.k is {num_clusters}, the head has num_classes={classes}: make them equal"
        )
    if labels is not None and len(labels) != len(dataset):
        raise UserError(
            f"the checkpoint has clusters of {len(labels)} images, the training data have "
            f"{len(dataset)}: use load_from instead of resume_from"
        )
