"""Steps common to clustering methods: extract features, cluster them, assign the clusters.

The checks run before the first iteration, so that a config whose numbers of images, clusters and
classes don't fit fails at once.

Letters: N images of a batch, L training images, K clusters, D width of a feature.
"""

from collections.abc import Callable, Sequence, Sized
from typing import Any, Protocol

import numpy as np
import torch
from mmcv.cnn import initialize
from mmcv.utils import build_from_cfg
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from mmselfsup.datasets import build_dataloader, build_dataset
from mmselfsup.utils import dist
from mmselfsup.utils.batch_norm import shared_statistics
from mmselfsup.utils.clustering import CLUSTERINGS
from mmselfsup.utils.collect import nondist_forward_collect
from mmselfsup.utils.device import batch_size
from mmselfsup.utils.dist import on_main
from mmselfsup.utils.errors import UserError, one_line
from mmselfsup.utils.module import in_eval_mode, unwrap

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


class Extractor:
    """A model's backbone and neck, run over a data set in its order on any number of ranks.

    Args:
        dataset: A data set, or its config.
        samples_per_gpu: Batch size of each rank.
        workers_per_gpu: Worker processes of each rank.
        dist_mode: Whether the images are divided among the ranks.
        persistent_workers: Keep the workers alive for the next call.
        imgs_per_gpu: Old name of ``samples_per_gpu``.
        everywhere: Whether all ranks get the features, or the first one only.
        **kwargs: Further arguments of ``build_dataloader``, such as ``prefetch``.

    Raises:
        TypeError: ``dataset`` is neither a data set nor a dict.
    """

    def __init__(
        self,
        dataset: Any,
        samples_per_gpu: int | None = None,
        workers_per_gpu: int = 1,
        dist_mode: bool = False,
        persistent_workers: bool = True,
        imgs_per_gpu: int | None = None,
        everywhere: bool = True,
        **kwargs: Any,
    ) -> None:
        if not isinstance(dataset, Dataset | dict):
            raise TypeError(
                f"dataset must be a Dataset object or a dict, got {type(dataset).__name__}"
            )
        self.dataset: Any = build_dataset(dataset) if isinstance(dataset, dict) else dataset
        self.dist_mode, self.everywhere = dist_mode, everywhere
        self.data_loader = build_dataloader(
            self.dataset,
            imgs_per_gpu=imgs_per_gpu,
            samples_per_gpu=samples_per_gpu,
            workers_per_gpu=workers_per_gpu,
            dist=dist_mode,
            shuffle=False,
            persistent_workers=persistent_workers,
            **kwargs,
        )

    def _forward_func(self, runner: Any, **x: Any) -> dict[str, Tensor]:
        """Return ``feature`` [N, D] of one batch, on the CPU."""
        module: Any = unwrap(runner.model)
        last = module(mode="extract", **x)[-1]
        if last.dtype in (torch.float16, torch.bfloat16):  # the neck runs outside autocast
            last = last.float()
        # A model with several necks says which one's output is clustered.
        neck = getattr(module, "clustering_neck", getattr(module, "neck", None))
        if neck is not None:
            last = neck([last])[-1]
        return {"feature": last.reshape(batch_size(x), -1).cpu()}

    def __call__(self, runner: Any) -> NDArray[np.float32] | None:
        """Return the features of all images, [L, D]; None on ranks that don't get them.

        Args:
            runner: An object with the ``model``, which is in eval mode during the call, and has
                the batch-norm statistics of the first rank.
        """
        module = unwrap(runner.model)
        # The features of all images must be those of one network.
        with in_eval_mode(module), shared_statistics(module):
            results = nondist_forward_collect(
                lambda **x: self._forward_func(runner, **x),
                self.data_loader,
                len(self.dataset),
                desc="features",
                everywhere=self.everywhere,
            )
        return results.get("feature")


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


def extract_and_cluster(
    runner: Any, extract: Callable[[Any], NDArray[Any] | None], make: Callable[[], Clustering]
) -> tuple[NDArray[Any] | None, Labels]:
    """Cluster the features of all images.

    All ranks extract; the first one clusters and sends the labels to the others.

    Args:
        runner: The runner with the model.
        extract: Returns the features of all images, [L, D], on the first rank at least; an
            ``Extractor`` for example.
        make: Returns a new clustering.

    Returns:
        What ``extract`` returned, and the cluster of each image [L], the same on all ranks.
    """
    features = extract(runner)

    def cluster() -> Labels:
        algorithm = make()
        assert features is not None  # this is the first rank
        algorithm.cluster(features)
        return np.asarray(algorithm.labels, dtype=np.int64)

    # On one rank: clusterings of several could differ, and all ranks need equal labels.
    return features, on_main(cluster)


def extract_cluster_assign(
    runner: Any,
    extract: Callable[[Any], NDArray[Any] | None],
    make: Callable[[], Clustering],
    dataset: LabelledData,
) -> tuple[NDArray[Any] | None, Labels]:
    """Cluster the features of all images and assign the images their clusters.

    Args:
        runner, extract, make: See ``extract_and_cluster``.
        dataset: The data set that gets the labels.

    Returns:
        What ``extract`` returned, and the cluster of each image [L], the same on all ranks.
    """
    features, labels = extract_and_cluster(runner, extract, make)
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
    check_num_clusters(model, num_clusters, "head")
    if labels is not None and len(labels) != len(dataset):
        raise UserError(
            f"the checkpoint has clusters of {len(labels)} images, the training data have "
            f"{len(dataset)}: use load_from instead of resume_from"
        )


def check_num_clusters(model: Any, num_clusters: int | None, owner: str) -> None:
    """Check that the clustering finds as many clusters as the model has room for.

    Args:
        model: The model without its wrapper.
        num_clusters: Number of clusters in the config; None where the clustering finds it.
        owner: The part of the model with ``num_classes``; the error names it.

    Raises:
        UserError: The numbers differ.
    """
    classes = getattr(model, "num_classes", None)
    if None not in (num_clusters, classes) and num_clusters != classes:
        raise UserError(
            f"clustering.k is {num_clusters}, the {owner} has num_classes={classes}: make them "
            "equal"
        )


def check_images(
    extracted: int, trained: int, num_clusters: int, hook: str = "DeepClusterHook"
) -> None:
    """Check that the numbers of images and clusters fit together.

    Args:
        extracted: Number of images whose features are clustered.
        trained: Number of training images.
        num_clusters: Number of clusters in the config.
        hook: Name of the hook, for the error.

    Raises:
        UserError: The images of the extraction and of the training differ in number, or there are
            fewer images than clusters.
    """
    if extracted != trained:
        raise UserError(
            f"{hook} extracts {extracted} images, the training has {trained}: give "
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
