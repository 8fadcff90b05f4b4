"""How well the nearest neighbours tell the class. Letters: M training samples, N test samples,
D width, C classes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from mmselfsup.models.utils.knn_classifier import knn_votes
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.metrics import classification_metrics

from .labelled import LabelledFeatures


def knn_scores(
    data: LabelledFeatures,
    ks: Sequence[int] = (20,),
    temperature: float = 0.07,
    device: torch.device | str = "cpu",
) -> dict[int, NDArray[np.float32]]:
    """Votes of the k training samples whose features have the largest cosine, exp(cosine / T) each.

    Args:
        data: the features; they need not have unit length.
        ks: numbers of neighbours.
        temperature: T.
        device: where to work; memory stays bounded for any number of samples.

    Returns:
        For each k the shares of the votes [N, C].

    Raises:
        UserError: more neighbours than training samples, or features that can't be used.
    """
    data.check()
    check_neighbours(ks, temperature, len(data.train))
    train, test = (
        F.normalize(torch.from_numpy(x).to(device), dim=1) for x in (data.train, data.test)
    )
    labels = torch.from_numpy(data.train_labels).to(device)
    votes = knn_votes(train, labels, test, ks, temperature, data.num_classes)
    return {k: share.cpu().numpy() for k, share in votes.items()}


def check_neighbours(ks: Sequence[int], temperature: float, num_train: int) -> None:
    """Refuse numbers of neighbours or a temperature that can't work; see `knn_scores`."""
    if not ks or min(ks) < 1 or max(ks) > num_train:
        raise UserError(
            f"--num-knn {' '.join(map(str, ks))}: there are {num_train} training samples, give "
            f"numbers from 1 to {num_train}"
        )
    if temperature <= 0:
        raise UserError(f"--temperature {temperature}: it must be above 0")


def evaluate_knn(
    data: LabelledFeatures,
    ks: Sequence[int] = (10, 20, 100, 200),
    temperature: float = 0.07,
    device: torch.device | str = "cpu",
) -> dict[int, dict[str, Any]]:
    """The metrics of :func:`classification_metrics` for each k; see :func:`knn_scores`."""
    scores = knn_scores(data, ks, temperature, device)
    return {k: classification_metrics(s, data.test_labels, data.classes) for k, s in scores.items()}
