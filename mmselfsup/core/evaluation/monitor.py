"""Measure a model on a few images: classifiers on its features, and signs of collapse.

Letters: M images of the measurement, P pairs of views, D width.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import ConcatDataset

from mmselfsup.datasets import build_dataloader
from mmselfsup.models.utils import ExtractProcess
from mmselfsup.utils import dist
from mmselfsup.utils.metrics import confusion_matrix, per_class_recall
from mmselfsup.utils.on_main import on_main

from .knn import knn_scores
from .labelled import LabelledFeatures
from .linear_probe import probe_scores
from .monitor_images import configured_parts, labels_of, own_images, split_picked
from .projection import see_views
from .signs import CollapseSigns, collapse_signs

#: Images whose features are looked at for signs of collapse.
_MAX_SIGNS = 512
_PROBE_ITERS = 100


class Monitor:
    """The images to watch a training by, and what is measured on them.

    Args:
        data: see :class:`mmselfsup.core.hooks.FrozenFeaturesHook`, and so the others.
        num_train: images that neighbours and probe learn from.
        num_test: images they are measured on.
        k: number of neighbours.
        temperature: of the neighbours' votes.
        samples_per_gpu: batch size.
        workers_per_gpu: workers that load the images.
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
        """Batches of a measurement."""
        return len(self._loader)

    def prepare(self, dataset: Any, img: Any) -> None:
        """Choose the images, once.

        Args:
            dataset: what is trained on.
            img: images of one of its batches; their size is the size of the measurement.

        Raises:
            UserError: ``data`` can't be used, or is needed.
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
            persistent_workers=False,
            **self._loader_args,
        )

    def measure(
        self, model: nn.Module, views: tuple[Tensor, Tensor] | None
    ) -> tuple[dict[str, float], CollapseSigns]:
        """Look at the features of the chosen images; every rank takes a part of them.

        Args:
            model: in eval mode.
            views: two views of each image of one batch.

        Returns:
            Balanced accuracies (empty without labels) and signs, the same on every rank.
        """
        features = ExtractProcess().extract(model, self._loader, dist.is_distributed())["feat"]
        shares = dist.all_gather_object(see_views(model, views) if views else None)
        return on_main(lambda: self._judge(features, shares))

    def _judge(
        self, features: NDArray[np.float32], shares: list[Any]
    ) -> tuple[dict[str, float], CollapseSigns]:
        """Classifiers on all features [M, D], signs on some of both parts and on the views."""
        some = np.linspace(0, len(features) - 1, min(_MAX_SIGNS, len(features))).astype(np.int64)
        aligned, projections = zip(*(share or (None, None) for share in shares), strict=True)
        signs = collapse_signs(
            torch.from_numpy(features[some]),
            None if None in aligned else float(np.mean(aligned)),
            None if any(p is None for p in projections) else torch.cat(projections),
        )
        return self._classify(features), signs

    def _classify(self, features: NDArray[np.float32]) -> dict[str, float]:
        """Balanced accuracies of the two classifiers; none where there is nothing to learn."""
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
