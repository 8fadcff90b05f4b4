"""A quick evaluation of a model on a few images: classifiers and metrics of collapse.

Letters: M images of the measurement, P pairs of views, D width.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import ConcatDataset

from mmselfsup.datasets import build_dataloader
from mmselfsup.metrics import confusion_matrix, per_class_recall
from mmselfsup.models.utils import ExtractProcess
from mmselfsup.utils import dist
from mmselfsup.utils.dist import on_main

from .knn import knn_scores
from .labelled import LabelledFeatures
from .linear_probe import probe_scores
from .monitor_images import configured_parts, labels_of, own_images, split_picked
from .projection import see_views
from .signs import CollapseMetrics, collapse_metrics

#: Images whose features the metrics of collapse are computed on; these need all pairs of images.
_MAX_COLLAPSE_IMAGES = 512
_PROBE_ITERS = 100


class Monitor:
    """The images that monitor a training, and the measurement on them.

    Args:
        data: See ``FrozenFeaturesHook``, as for the other arguments.
        num_train: Number of images that k-NN and probe are fitted on.
        num_test: Number of images that they are tested on.
        k: Number of neighbours.
        temperature: Temperature of the neighbours' votes.
        samples_per_gpu: Batch size.
        workers_per_gpu: Number of workers that load the images.
    """

    def __init__(
        self,
        data: str | dict[str, Any] | None,
        num_train: int,
        num_test: int,
        k: int,
        temperature: float,
        samples_per_gpu: int,
        workers_per_gpu: int,
    ) -> None:
        self.data, self.num_train, self.num_test = data, num_train, num_test
        self.k, self.temperature = k, temperature
        self._loader_args: dict[str, Any] = dict(
            samples_per_gpu=samples_per_gpu, workers_per_gpu=workers_per_gpu
        )
        self._loader: Any = None
        self._labels: tuple[NDArray[np.int64], NDArray[np.int64]]

    @property
    def num_batches(self) -> int:
        """Return the number of batches of a measurement."""
        return len(self._loader)

    def prepare(self, dataset: Any, img: Any) -> None:
        """Choose the images, once.

        Args:
            dataset: The training data set.
            img: Images of one of its batches; the measurement uses images of the same size.

        Raises:
            UserError: ``data`` can't be used, or is missing where it is needed.
        """
        if self._loader is not None:
            return
        if self.data is None:
            whole = own_images(dataset, img)
            parts = split_picked(whole, self.num_train, self.num_test)
        else:
            parts = configured_parts(self.data, self.num_train, self.num_test)
        train, test = (labels_of(part.dataset)[part.indices] for part in parts)
        self._labels = train, test
        self._loader = build_dataloader(
            ConcatDataset(parts),
            dist=False,
            shuffle=False,
            persistent_workers=False,  # measurements are rare: idle workers only take memory
            **self._loader_args,
        )

    def measure(
        self, model: nn.Module, views: tuple[Tensor, Tensor] | None
    ) -> tuple[dict[str, float], CollapseMetrics]:
        """Measure the features of the chosen images; every rank extracts a part of them.

        Args:
            model: The model in eval mode.
            views: Two views of each image of one batch.

        Returns:
            Balanced accuracies (empty without labels) and metrics of collapse, the same on every
            rank.
        """
        features = ExtractProcess().extract(model, self._loader, dist.is_distributed())["feat"]
        of_ranks = dist.all_gather_object(see_views(model, views) if views else None)
        return on_main(lambda: self._evaluate(features, of_ranks))

    def _evaluate(
        self, features: NDArray[np.float32], of_ranks: list[Any]
    ) -> tuple[dict[str, float], CollapseMetrics]:
        """Test classifiers on all features [M, D]; compute metrics of collapse on a subset.

        The subset has images of both parts; the views of all ranks are used as well.
        """
        num = min(_MAX_COLLAPSE_IMAGES, len(features))
        subset = np.linspace(0, len(features) - 1, num).astype(np.int64)
        aligned, projections = zip(*(views or (None, None) for views in of_ranks), strict=True)
        collapse = collapse_metrics(
            torch.from_numpy(features[subset]),
            None if None in aligned else float(np.mean(aligned)),
            None if any(p is None for p in projections) else torch.cat(projections),
        )
        return self._classify(features), collapse

    def _classify(self, features: NDArray[np.float32]) -> dict[str, float]:
        """Return the balanced accuracies of the two classifiers; empty where none can be fitted."""
        train, test = self._labels
        usable = (train >= 0).all() and (test >= 0).all() and len(np.unique(train)) > 1
        if not usable or not np.isfinite(features).all():
            return {}
        data = LabelledFeatures(features[: len(train)], train, features[len(train) :], test)
        k = min(self.k, len(train))
        scores = {
            "knn": knn_scores(data, (k,), self.temperature)[k],
            "probe": probe_scores(data, max_iters=_PROBE_ITERS),
        }
        recalls = {
            name: per_class_recall(confusion_matrix(s, test, data.num_classes))
            for name, s in scores.items()
        }
        return {f"{name}_balanced_accuracy": float(np.nanmean(r)) for name, r in recalls.items()}
