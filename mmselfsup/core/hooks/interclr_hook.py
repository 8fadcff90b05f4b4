"""The clusters of InterCLR: the first ones, and their maintenance."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmcv.runner import HOOKS
from torch import Tensor

from mmselfsup.utils import Extractor
from mmselfsup.utils.data_info import DataInfo
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.module import unwrap

from ..clustering import (
    build_clustering,
    check_images,
    check_labels,
    check_num_clusters,
    extract_and_cluster,
    with_training_images,
)
from .finetune_hooks import needs_epochs
from .odc_hook import ODCHook


@HOOKS.register_module()
class InterCLRHook(ODCHook):
    """Pseudo-label maintenance of InterCLR (Xie et al. 2022), online as in ODC or between epochs.

    The memory is a part of the model, so that a resumed run continues with it.

    Args:
        extractor: Arguments of ``Extractor``; without ``dataset.data_source`` it takes the training
            images.
        clustering: ``dict(type='Kmeans', k=..., pca_dim=...)``; ``k`` is the ``num_classes`` of the
            memory bank. See ``mmselfsup.utils.clustering``.
        centroids_update_interval: Iterations from one update of the centroids to the next (online
            labels).
        deal_with_small_clusters_interval: Iterations from one search for small clusters to the next
            (online labels).
        evaluate_interval: Iterations from one log line about the sizes of clusters to the next
            (online labels).
        warmup_epochs: Epochs with the intra-image loss only, with weight 1.
        init_memory: Whether a clustering fills the features in the memory too, not only the labels.
        initial: Whether to cluster before the first epoch.
        online_labels: Whether labels change in every iteration, as in the model; False clusters
            again every ``interval`` epochs.
        interval: Epochs from one clustering to the next, or with online labels from one comparison
            of the ranks' memories to the next.
        dist_mode: Whether each rank extracts a part of the images.
        data_loaders: The loaders of the run, the training loader first.
    """

    memory_type = "InterCLRMemory"

    def __init__(
        self,
        extractor: dict[str, Any],
        clustering: dict[str, Any],
        centroids_update_interval: int,
        deal_with_small_clusters_interval: int,
        evaluate_interval: int,
        warmup_epochs: int = 0,
        init_memory: bool = True,
        initial: bool = True,
        online_labels: bool = True,
        interval: int = 1,
        dist_mode: bool = True,
        data_loaders: Sequence[Any] | None = None,
    ) -> None:
        super().__init__(
            centroids_update_interval,
            deal_with_small_clusters_interval,
            evaluate_interval,
            reweight=False,
            reweight_pow=0.0,
        )
        images = with_training_images(extractor, data_loaders)
        self.extractor = Extractor(dist_mode=dist_mode, **images)
        self.clustering_cfg = dict(clustering)
        build_clustering(self.clustering_cfg)  # fails early
        self.warmup_epochs, self.online_labels = warmup_epochs, online_labels
        self.init_memory, self.initial, self.interval = init_memory, initial, interval
        self.clustered = False
        self.loss_weights: tuple[float, float] | None = None

    def fit_dataset(self, size: DataInfo) -> None:
        """Check that there are as many images as in the training, and no more clusters."""
        clusters = self.clustering_cfg.get("k", 1)
        check_images(len(self.extractor.dataset), size.num_images, clusters, type(self).__name__)

    def before_run(self, runner: Any) -> None:
        """Cluster for the first time, unless the run is resumed.

        Raises:
            UserError: Hook and model disagree about online labels or the number of clusters, or the
                model has no memory.
        """
        needs_epochs(runner, self)
        self._memory(runner)
        model: Any = unwrap(runner.model)
        check_num_clusters(model, self.clustering_cfg.get("k"), "memory bank")
        if model.online_labels != self.online_labels:
            raise UserError(
                f"InterCLRHook has online_labels={self.online_labels}, the model "
                f"{model.online_labels}: make them equal"
            )
        self.loss_weights = model.intra_loss_weight, model.inter_loss_weight
        if self.initial and not self.clustered:
            self.deepcluster(runner)

    def before_train_epoch(self, runner: Any) -> None:
        """Set the weights of the losses: those of the config, after the warm-up."""
        model: Any = unwrap(runner.model)
        weights = (1.0, 0.0) if runner.epoch < self.warmup_epochs else self.loss_weights
        model.intra_loss_weight, model.inter_loss_weight = weights  # type: ignore[misc]

    def after_train_iter(self, runner: Any) -> None:
        """With online labels: update centroids and small clusters, each at its interval."""
        if self.online_labels:
            super().after_train_iter(runner)

    def after_train_epoch(self, runner: Any) -> None:
        """Every ``interval`` epochs: cluster, or with online labels make the memories equal."""
        if self.every_n_epochs(runner, self.interval):
            if self.online_labels:
                super().after_train_epoch(runner)
            else:
                self.deepcluster(runner)

    def after_run(self, runner: Any) -> None:
        """Restore the weights of the losses, for a further run of the same model."""
        if self.loss_weights is not None:
            model: Any = unwrap(runner.model)
            model.intra_loss_weight, model.inter_loss_weight = self.loss_weights

    def deepcluster(self, runner: Any) -> None:
        """Extract features, cluster them, and fill the memory with them."""
        features, labels = extract_and_cluster(
            runner, self.extractor, lambda: build_clustering(self.clustering_cfg)
        )
        model: Any = unwrap(runner.model)
        check_labels(labels, model)
        self.evaluate(runner, labels)
        if self.init_memory or not model.memory_bank.initialized:
            model.memory_bank.init_memory(features, labels)
        else:
            model.memory_bank.assign_label(labels)
            model.memory_bank.update_centroids_memory()
        self.clustered = True

    def state_dict(self) -> dict[str, Tensor]:
        """Return whether the memory has been filled: ``clustered``, shape []."""
        return {"clustered": torch.tensor(self.clustered)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Load what ``state_dict`` returned; it is used when the run begins."""
        self.clustered = bool(state.get("clustered", False))
