"""A few images that monitor a training. Letters: N images."""

from collections.abc import Callable
from typing import Any

import numpy as np
from mmcv import Config
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Subset
from torchvision.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor

from mmselfsup.datasets import build_dataset
from mmselfsup.datasets.utils import find_normalize
from mmselfsup.utils.errors import UserError

_MARGIN = 8 / 7  # as 256 to 224: the short side before the centre is cut out
NO_LABEL = -1


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
            "data=dict(train=..., val=...) with two data set configs"
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
    """Return the first two views [N, C, H, W] of a batch, if it has two of one shape."""
    if not isinstance(img, list | tuple) or len(img) < 2:
        return None
    first, second = img[0], img[1]
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
    stays cheap compared with the training.
    """
    labels, total = labels_of(dataset), num_train + num_test
    picked = pick_evenly(labels, max(2, min(total, len(dataset) // 4)))
    ranks, ratio = rank_within_class(labels[picked]), num_test / total
    # In each class the test part grows by one where ranks * ratio passes an integer.
    test = np.floor((ranks + 1) * ratio) > np.floor(ranks * ratio)
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
    return (
        Subset(train, pick_evenly(labels_of(train), num_train).tolist()),
        Subset(test, pick_evenly(labels_of(test), num_test).tolist()),
    )
