"""The k-NN evaluation of features.

Letters: M training samples, N test samples, D width, C classes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from mmselfsup.metrics import classification_metrics
from mmselfsup.models.utils.knn_classifier import knn_votes
from mmselfsup.utils.errors import UserError

from .labelled import LabelledFeatures


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
    if temperature <= 0:
        raise UserError(f"--temperature {temperature}: it must be above 0")


def evaluate_knn(
    data: LabelledFeatures,
    ks: Sequence[int] = (10, 20, 100, 200),
    temperature: float = 0.07,
    device: torch.device | str = "cpu",
) -> dict[int, dict[str, Any]]:
    """Return the metrics of ``classification_metrics`` for each k; see ``knn_scores``."""
    scores = knn_scores(data, ks, temperature, device)
    return {k: classification_metrics(s, data.test_labels, data.classes) for k, s in scores.items()}
