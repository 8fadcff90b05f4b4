"""Clustering of the features of the training images between epochs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmcv.runner import HOOKS, Hook
from torch import Tensor

from mmselfsup.utils import Extractor
from mmselfsup.utils.data_info import DataInfo
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.module import unwrap

from ..clustering import (
    Labels,
    build_clustering,
    check_images,
    check_labels,
    check_run,
    extract_cluster_assign,
    report_sizes,
    restart_head,
    with_training_images,
)
from .finetune_hooks import needs_epochs


@HOOKS.register_module()
class DeepClusterHook(Hook):  # type: ignore[misc]
    """The clustering of DeepCluster (Caron et al. 2018, section 3.2), and the first one of ODC.

    The clusters are in the checkpoint (``hook_state``), so that a resumed run continues with them.

    Args:
        extractor: Arguments of ``Extractor``; without ``dataset.data_source`` it takes the training
            images.
        clustering: ``dict(type='Kmeans', k=..., pca_dim=...)``; ``k`` is the head's
            ``num_classes``. See ``mmselfsup.utils.clustering``.
        unif_sampling: Whether to sample all clusters equally often (section 3.3).
        reweight: Whether to weight clusters in the loss by their size to the power of
            ``-reweight_pow``.
        reweight_pow: See ``reweight``.
        init_memory: Whether to fill the model's memory bank with features and clusters (ODC).
        initial: Whether to cluster before the first epoch.
        interval: Epochs from one clustering to the next.
        dist_mode: Whether each rank extracts a part of the images.
        data_loaders: The loaders of the run, the training loader first.
    """

    def __init__(
        self,
        extractor: dict[str, Any],
        clustering: dict[str, Any],
        unif_sampling: bool,
        reweight: bool,
        reweight_pow: float,
        init_memory: bool = False,
        initial: bool = True,
        interval: int = 1,
        dist_mode: bool = True,
        data_loaders: Sequence[Any] | None = None,
    ) -> None:
        images = with_training_images(extractor, data_loaders)
        # Clustering needs the features on one rank, a memory bank on each.
        self.extractor = Extractor(dist_mode=dist_mode, everywhere=init_memory, **images)
        self.clustering_cfg = dict(clustering)
        self.clustering_type = clustering["type"]
        build_clustering(self.clustering_cfg)  # fails early
        self.unif_sampling, self.init_memory = unif_sampling, init_memory
        self.reweight, self.reweight_pow = reweight, reweight_pow
        self.initial, self.interval = initial, interval
        self.data_loaders = data_loaders
        self.labels: Labels | None = None

    def fit_dataset(self, size: DataInfo) -> None:
        """Check that there are as many images as in the training, and no more clusters."""
        check_images(len(self.extractor.dataset), size.num_images, self.clustering_cfg.get("k", 1))

    def before_run(self, runner: Any) -> None:
        """Load the clusters of the checkpoint, or cluster for the first time."""
        needs_epochs(runner, self)
        k = self.clustering_cfg.get("k")
        check_run(self._loader.dataset, unwrap(runner.model), k, self.labels)
        if self.labels is not None:
            self._loader.dataset.assign_labels(self.labels)
            self._balance(runner, self.labels)
        elif self.initial:
            self.deepcluster(runner)
        elif not self.init_memory:
            raise UserError("DeepClusterHook: without initial=True the first epoch has no clusters")

    def after_train_epoch(self, runner: Any) -> None:
        """Cluster every ``interval`` epochs."""
        if self.every_n_epochs(runner, self.interval):
            self.deepcluster(runner)

    def deepcluster(self, runner: Any) -> None:
        """Extract, cluster, assign and balance; restart the head; fill the memory if configured."""
        features, labels = extract_cluster_assign(
            runner,
            self.extractor,
            lambda: build_clustering(self.clustering_cfg),
            self._loader.dataset,
        )
        check_labels(labels, unwrap(runner.model))
        self.labels = labels
        self.evaluate(runner, labels)
        self._balance(runner, labels)
        restart_head(runner)
        if self.init_memory:
            model: Any = unwrap(runner.model)
            model.memory_bank.init_memory(features, labels)

    def evaluate(self, runner: Any, new_labels: Labels) -> None:
        """Log the sizes of the clusters."""
        report_sizes(runner, new_labels, self.clustering_cfg.get("k", 1))

    def state_dict(self) -> dict[str, Tensor]:
        """Return the cluster of each image, ``labels`` [L]; empty before the first clustering."""
        return {} if self.labels is None else {"labels": torch.from_numpy(self.labels)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Load what ``state_dict`` returned; it is used when the run begins."""
        self.labels = state["labels"].numpy() if "labels" in state else None

    @property
    def _loader(self) -> Any:
        if not self.data_loaders:
            raise UserError("DeepClusterHook needs data_loaders with the training loader first")
        return self.data_loaders[0]

    def _balance(self, runner: Any, labels: Labels) -> None:
        """Let the sampler and the loss treat small and large clusters alike, if configured."""
        model: Any = unwrap(runner.model)
        if self.unif_sampling:
            num_clusters = max(self.clustering_cfg.get("k", 1), int(np.max(labels)) + 1)
            self._loader.sampler.set_uniform_indices(labels, num_clusters)
        if self.reweight:
            model.set_reweight(labels, self.reweight_pow)
