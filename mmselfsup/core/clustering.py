"""Steps common to clustering methods: extract features, cluster them, assign the clusters.

Letters: L training images, K clusters, D width of a feature.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from mmcv.cnn import initialize
from mmcv.utils import build_from_cfg
from numpy.typing import NDArray
from torch import nn

from mmselfsup.utils import dist
from mmselfsup.utils.clustering import CLUSTERINGS
from mmselfsup.utils.dist import on_main
from mmselfsup.utils.errors import UserError, one_line
from mmselfsup.utils.module import unwrap

Labels = NDArray[np.int64]


class Clustering(Protocol):
    """A clustering algorithm such as ``Kmeans``."""

    labels: Labels

    def cluster(self, feat: NDArray[Any], verbose: bool = False) -> float:
        """Cluster features [L, D]; then ``labels`` [L] is set."""


class LabelledData(Protocol):
    """A data set that takes labels, such as ``DeepClusterDataset``."""

    def __len__(self) -> int: ...

    def assign_labels(self, labels: Labels) -> None:
        """Assign every image its cluster, [L]."""


def with_training_images(extractor: dict[str, Any], loaders: Sequence[Any] | None) -> Any:
    """Return arguments of an ``Extractor``; a missing data source becomes that of the training."""
    dataset = extractor.get("dataset")
    if not isinstance(dataset, dict) or "data_source" in dataset or not loaders:
        return extractor
    source = getattr(loaders[0].dataset, "data_source", None)
    if source is None:
        raise UserError(
            "extractor.dataset needs its data_source here: the training joins or repeats data sets"
        )
    return {**extractor, "dataset": {**dataset, "data_source": source}}


def build_clustering(cfg: dict[str, Any]) -> Clustering:
    """Return the clustering that ``dict(type='Kmeans', ...)`` describes.

    Raises:
        UserError: There is no such type, or it doesn't take these arguments.
    """
    try:
        return build_from_cfg(cfg, CLUSTERINGS)
    except (KeyError, TypeError) as error:
        known = ", ".join(CLUSTERINGS.module_dict)
        raise UserError(f"clustering={cfg}: {one_line(error)} (types: {known})") from error


def extract_cluster_assign(
    runner: Any,
    extract: Callable[[Any], NDArray[Any]],
    make: Callable[[], Clustering],
    dataset: LabelledData,
) -> tuple[NDArray[Any], Labels]:
    """Cluster the features of all images and assign the images their clusters.

    All ranks extract; the first one clusters and sends the labels to the others.

    Args:
        runner: The runner with the model.
        extract: Returns the features of all images, [L, D]; an ``Extractor`` for example.
        make: Returns a new clustering.
        dataset: The data set that gets the labels.

    Returns:
        The features [L, D] and the cluster of each image [L], the same on all ranks.
    """
    features = extract(runner)

    def cluster() -> Labels:
        algorithm = make()
        algorithm.cluster(features)
        return np.asarray(algorithm.labels, dtype=np.int64)

    labels = on_main(cluster)
    dataset.assign_labels(labels)
    return features, labels


def report_sizes(runner: Any, labels: Labels, num_clusters: int) -> None:
    """Log how many clusters are empty, and the smallest and largest size."""
    sizes = np.bincount(labels, minlength=num_clusters)
    runner.logger.info(
        "clusters: %d of %d empty, sizes %d to %d",
        int((sizes == 0).sum()),
        len(sizes),
        int(sizes.min()),
        int(sizes.max()),
    )


def restart_head(runner: Any) -> None:
    """Initialise the weights of the head again: new clusters are unrelated to the old ones.

    The optimizer's state of the old weights is deleted as well.
    """
    head: Any = unwrap(runner.model).head
    if getattr(head, "init_cfg", None):
        initialize(head, head.init_cfg)
    else:
        for layer in head.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                layer.reset_parameters()
    with torch.no_grad():
        for parameter in head.parameters():
            # Every rank has drawn its own weights: all take those of the first rank.
            parameter.copy_(dist.broadcast(parameter))
            getattr(runner.optimizer, "state", {}).pop(parameter, None)
