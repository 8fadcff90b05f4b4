"""The k-NN evaluation of features, and the most similar images by their features.

Letters: M training samples, N test samples, D width, C classes, Q queries.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from mmselfsup.metrics import classification_metrics
from mmselfsup.models.utils.knn_classifier import knn_votes
from mmselfsup.utils.device import default_device
from mmselfsup.utils.errors import UserError

from .features import LabelledFeatures
from .protocol import Protocol, ProtocolResult
from .tsne import unit_length

#: What the k-NN benchmark of MMSelfSup 0.x reports.
DEFAULT_NUM_KNN = (10, 20, 100, 200)


@dataclass(frozen=True)
class KnnProtocol(Protocol):
    """Classification of the test samples by their nearest training samples.

    Attributes:
        num_knn: Numbers of neighbours; one given twice counts once. None for those of
            ``DEFAULT_NUM_KNN`` that the training set has.
        temperature: See ``knn_scores``.
    """

    num_knn: Sequence[int] | None
    temperature: float

    def _ks(self, num_train: int) -> list[int]:
        if self.num_knn is None:
            return [k for k in DEFAULT_NUM_KNN if k <= num_train] or [num_train]
        return list(dict.fromkeys(self.num_knn))

    def check(self, num_train: int) -> None:
        """Check the numbers of neighbours and the temperature."""
        check_neighbours(self._ks(num_train), self.temperature, num_train)

    def evaluate(self, data: LabelledFeatures, logger: logging.Logger) -> ProtocolResult:
        """Return the metrics for each number of neighbours."""
        by_k = evaluate_knn(data, self._ks(len(data.train)), self.temperature, default_device())
        return ProtocolResult(
            {f"kNN, k={k}": metrics for k, metrics in by_k.items()},
            {"temperature": self.temperature},
        )


def knn_scores(
    data: LabelledFeatures,
    ks: Sequence[int] = (20,),
    temperature: float = 0.07,
    device: torch.device | str = "cpu",
) -> dict[int, NDArray[np.float32]]:
    """Return the votes of the k nearest training samples by cosine, weighted with exp(cosine / T).

    Args:
        data: The features; they need not have unit length.
        ks: Numbers of neighbours.
        temperature: The T of the formula.
        device: The device of the computation; memory stays bounded for any number of samples.

    Returns:
        For each k the fractions of the votes [N, C].

    Raises:
        UserError: There are more neighbours than training samples, or unusable features.
    """
    data.check()
    check_neighbours(ks, temperature, len(data.train))
    train, test = (
        F.normalize(torch.from_numpy(x).to(device), dim=1) for x in (data.train, data.test)
    )
    labels = torch.from_numpy(data.train_labels).to(device)
    votes = knn_votes(train, labels, test, ks, temperature, data.num_classes)
    return {k: fractions.cpu().numpy() for k, fractions in votes.items()}


def check_neighbours(ks: Sequence[int], temperature: float, num_train: int) -> None:
    """Check the numbers of neighbours and the temperature; see ``knn_scores``."""
    if not ks or min(ks) < 1 or max(ks) > num_train:
        raise UserError(
            f"--num-knn {' '.join(map(str, ks))}: there are {num_train} training samples, give "
            f"numbers from 1 to {num_train}"
        )
    if not temperature > 0:  # also of nan, whose votes would be nan
        raise UserError(f"--temperature {temperature}: it must be above 0")


def evaluate_knn(
    data: LabelledFeatures,
    ks: Sequence[int] = DEFAULT_NUM_KNN,
    temperature: float = 0.07,
    device: torch.device | str = "cpu",
) -> dict[int, dict[str, Any]]:
    """Return the metrics of ``classification_metrics`` for each k; see ``knn_scores``."""
    scores = knn_scores(data, ks, temperature, device)
    return {k: classification_metrics(s, data.test_labels, data.classes) for k, s in scores.items()}


def nearest(
    gallery: NDArray[np.float32], queries: NDArray[np.float32], num: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the features with the largest cosine; among equal ones the first.

    Args:
        gallery: Features [M, D], finite.
        queries: Features [Q, D], finite; only a few, as all their cosines are in memory at once.
        num: Number of results for each query, at most M.

    Returns:
        Indices into the gallery [Q, min(num, M)], by decreasing cosine, and the cosines.
    """
    cosines = unit_length(queries) @ unit_length(gallery).T  # [Q, M]
    # Stable: the order of equal cosines doesn't depend on the sorting algorithm.
    index = np.argsort(-cosines, axis=1, kind="stable")[:, :num]
    return index.astype(np.int64), np.take_along_axis(cosines, index, axis=1)
