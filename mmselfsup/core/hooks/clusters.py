"""Extract features, cluster them, hand the clusters out: what clustering methods share.

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
from mmselfsup.utils.errors import UserError, one_line
from mmselfsup.utils.module import unwrap
from mmselfsup.utils.on_main import on_main

Labels = NDArray[np.int64]


class Clustering(Protocol):
    """A way to cluster, such as :class:`mmselfsup.utils.clustering.Kmeans`."""

    labels: Labels

    def cluster(self, feat: NDArray[Any], verbose: bool = False) -> float:
        """Cluster features [L, D]; then ``labels`` [L] are there."""


class LabelledData(Protocol):
    """A data set that takes labels, such as :class:`DeepClusterDataset`."""

    def __len__(self) -> int: ...

    def assign_labels(self, labels: Labels) -> None:
        """Give every image its cluster, [L]."""


def with_training_images(extractor: dict[str, Any], loaders: Sequence[Any] | None) -> Any:
    """Arguments of an :class:`Extractor`; without a data source it takes that of the training."""
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
    """The clustering that ``dict(type='Kmeans', ...)`` describes.

    Raises:
        UserError: no such type, or arguments that it doesn't take.
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
    """Cluster the features of all images and give the images their clusters.

    All ranks extract, the first one clusters and tells the others.

    Args:
        runner: has the model.
        extract: gives the features of all images, [L, D], such as an :class:`Extractor`.
        make: gives a new clustering.
        dataset: gets the labels.

    Returns:
        The features [L, D] and the cluster of each image [L], equal on all ranks.
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
    """Write into the log how many clusters are empty, and the smallest and largest size."""
    sizes = np.bincount(labels, minlength=num_clusters)
    runner.logger.info(
        "clusters: %d of %d empty, sizes %d to %d",
        int((sizes == 0).sum()),
        len(sizes),
        int(sizes.min()),
        int(sizes.max()),
    )


def restart_head(runner: Any) -> None:
    """Draw the weights of the head anew: new clusters have nothing to do with the old ones.

    What the optimizer remembers of the old weights goes as well.
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
            parameter.copy_(dist.broadcast(parameter))
            getattr(runner.optimizer, "state", {}).pop(parameter, None)
