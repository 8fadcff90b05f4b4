"""A quick evaluation of a model in training on a few images: classifiers and metrics of collapse.

The images are chosen once, all classes in turn, from the training data or from data sets that the
config names; they are seen in one fixed view. ``FrozenFeaturesHook`` decides when to measure.

Letters: M images of the measurement, P pairs of views, D width, N images.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from mmcv import Config
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import ConcatDataset, Dataset, Subset
from torchvision.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor

from mmselfsup.datasets import build_dataloader, build_dataset
from mmselfsup.datasets.class_order import use_classes
from mmselfsup.datasets.utils import find_normalize
from mmselfsup.metrics import confusion_matrix, per_class_recall
from mmselfsup.models.utils import ExtractProcess
from mmselfsup.utils import dist
from mmselfsup.utils.device import first_tensor
from mmselfsup.utils.dist import on_main
from mmselfsup.utils.errors import UserError

from .collapse import CollapseMetrics, collapse_metrics, see_views
from .features import LabelledFeatures
from .knn import knn_scores
from .linear_probe import probe_scores

#: Images whose features the metrics of collapse are computed on; these need all pairs of images.
_MAX_COLLAPSE_IMAGES = 512
_PROBE_ITERS = 100
_MARGIN = 8 / 7  # as 256 to 224: the short side before the centre is cut out
NO_LABEL = -1


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
        # Of one class alone there is nothing to classify; a missing label can't be scored.
        usable = (train >= 0).all() and (test >= 0).all() and len(np.unique(train)) > 1
        # Few images of each class may all be in the first part.
        if not usable or not len(test) or not np.isfinite(features).all():
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


class MonitorImages(Dataset[dict[str, Any]]):
    """Images of a data source in one fixed view: resized, centre-cropped, normalised.

    Args:
        data_source: The source of the images and, where it has them, labels.
        size: Height and width in pixels.
        normalize: The normalisation of the training.
    """

    def __init__(self, data_source: Any, size: tuple[int, int], normalize: Normalize) -> None:
        self.data_source = data_source
        short = Resize(round(min(size) * _MARGIN)) if size[0] == size[1] else Resize(size)
        self.pipeline: Callable[[Any], Any] = Compose(
            [short, CenterCrop(size), ToTensor(), normalize]
        )
        self.gt_labels = data_source.get_gt_labels()

    def __len__(self) -> int:
        return len(self.data_source)

    def __getitem__(self, idx: int) -> dict[str, Any]:
        return {"img": self.pipeline(self.data_source.load(idx)[0])}


def own_images(dataset: Any, img: Any) -> MonitorImages:
    """Return the images of a training data set, in one fixed view.

    Args:
        dataset: The training data set.
        img: Images of one of its batches, for their size.

    Raises:
        UserError: The source of its images, their size or their normalisation is unknown.
    """
    source, normalize = getattr(dataset, "data_source", None), find_normalize(dataset)
    size = view_size(img)
    if source is None or normalize is None or size is None:
        raise UserError(
            "FrozenFeaturesHook: the training data don't show what to measure on; set "
            "data=dict(train=..., val=...) with two data set configs (adapt.monitor.data, or "
            "adapt.monitor=False)"
        )
    return MonitorImages(source, size, normalize)


def view_size(img: Any) -> tuple[int, int] | None:
    """Return height and width of the first view of a batch; None if there is no image in it."""
    while isinstance(img, list | tuple) and img:
        img = img[0]
    if isinstance(img, Tensor) and img.ndim >= 4:
        return int(img.shape[-2]), int(img.shape[-1])
    return None


def pair_of_views(img: Any) -> tuple[Tensor, Tensor] | None:
    """Return the first two views [N, C, H, W] of a batch, if it has two of one shape.

    A view may be an image with its mask.
    """
    if not isinstance(img, list | tuple) or len(img) < 2:
        return None
    first, second = first_tensor(img[0]), first_tensor(img[1])
    if not isinstance(first, Tensor) or not isinstance(second, Tensor):
        return None
    comparable = first.shape == second.shape and first.ndim == 4 and first.is_floating_point()
    return (first, second) if comparable else None


def labels_of(dataset: Any) -> NDArray[np.int64]:
    """Return one class number for each image [N], -1 for images without a label."""
    labels = getattr(dataset, "gt_labels", None)
    if labels is None or np.ndim(labels) != 1 or len(labels) != len(dataset):
        return np.full(len(dataset), NO_LABEL)
    return np.asarray(labels, dtype=np.int64)


def groups_of(dataset: Any, picked: Sequence[int]) -> list[str]:
    """Return the group (such as the patient) or else lesion of images, '' where it is not known."""
    source = getattr(dataset, "data_source", None)
    lesions: Any = getattr(source, "lesions", None)
    infos: Any = getattr(source, "data_infos", None)
    known = [values is not None and len(values) == len(dataset) for values in (lesions, infos)]
    return [
        str((known[1] and infos[i].get("group")) or (known[0] and lesions[i]) or "") for i in picked
    ]


def _first_of_group(groups: Sequence[str]) -> NDArray[np.int64]:
    """Return for each of P images the place of the first one of its group, 0..P-1."""
    first: dict[str, int] = {}
    places = [first.setdefault(name, at) if name else at for at, name in enumerate(groups)]
    return np.array(places, dtype=np.int64)


def rank_within_class(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each of the images [N] how many images of its class precede it [N]."""
    ranks = np.zeros(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        own = labels == label
        ranks[own] = np.arange(own.sum())
    return ranks


def pick_evenly(labels: NDArray[np.int64], num: int, seed: int = 0) -> NDArray[np.int64]:
    """Choose images of all classes in turn, so that few are enough for a balanced accuracy.

    Args:
        labels: Labels [N], -1 for none; unlabelled images are taken only if all are unlabelled.
        num: Number of images, at most all of them.
        seed: Seed of the choice within a class.

    Returns:
        Indices of the images [at most num].
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[labels[order] >= 0] if (labels >= 0).any() else order
    return order[np.argsort(rank_within_class(labels[order]), kind="stable")][:num]


def split_picked(
    dataset: Any, num_train: int, num_test: int
) -> tuple["Subset[Any]", "Subset[Any]"]:
    """Return two disjoint parts of one data set, each as balanced by class as possible.

    At most a quarter of the images is taken, in the ratio of the two numbers, so that monitoring
    stays cheap compared with the training. Images of one lesion or patient are in one part.
    """
    labels, total = labels_of(dataset), num_train + num_test
    picked = pick_evenly(labels, max(2, min(total, len(dataset) // 4)))
    ranks, ratio = rank_within_class(labels[picked]), num_test / total
    # In each class the test part grows by one where ranks * ratio passes an integer.
    test = np.floor((ranks + 1) * ratio) > np.floor(ranks * ratio)
    test = test[_first_of_group(groups_of(dataset, picked.tolist()))]
    return Subset(dataset, picked[~test].tolist()), Subset(dataset, picked[test].tolist())


def configured_parts(
    data: str | dict[str, Any], num_train: int, num_test: int
) -> tuple["Subset[Any]", "Subset[Any]"]:
    """Return parts of ``train`` and ``val`` (or ``test``) of a data set config, or of its file.

    Raises:
        UserError: One of the two is missing.
    """
    parts = Config.fromfile(data).data if isinstance(data, str) else data
    configs: list[Any] = [parts.get("train"), parts.get("val") or parts.get("test")]
    if None in configs:
        raise UserError("FrozenFeaturesHook: data needs train and val, each a data set config")
    train, test = (build_dataset(cfg) for cfg in configs)
    use_classes(test, train.CLASSES, "FrozenFeaturesHook: data.val", "data.train")
    return (
        Subset(train, pick_evenly(labels_of(train), num_train).tolist()),
        Subset(test, pick_evenly(labels_of(test), num_test).tolist()),
    )
