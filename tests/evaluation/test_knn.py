"""The weighted k-NN against a slow loop, scikit-learn, and the figures of MMSelfSup 0.x."""

import logging
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.neighbors import KNeighborsClassifier
from torch.utils._python_dispatch import TorchDispatchMode

from mmselfsup.evaluation.features import LabelledFeatures
from mmselfsup.evaluation.knn import KnnProtocol, evaluate_knn, knn_scores
from mmselfsup.models.utils import knn_classifier
from mmselfsup.models.utils.knn_classifier import knn_votes
from mmselfsup.utils.errors import UserError

# The package exports a function of the same name, which hides the module.
knn_file = import_module("mmselfsup.models.utils.knn_classifier")


def draw(n: int, d: int, c: int, unit: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
    features = torch.randn(n, d)
    return (F.normalize(features) if unit else features), torch.randint(0, c, (n,))


def slow_votes(
    train: torch.Tensor, labels: torch.Tensor, test: torch.Tensor, k: int, T: float, c: int
) -> torch.Tensor:
    rows = []
    for query in test.double():
        similar = [float(query @ other) for other in train.double()]
        votes = [0.0] * c
        for i in sorted(range(len(similar)), key=lambda i: -similar[i])[:k]:
            votes[int(labels[i])] += np.exp(similar[i] / T)
        rows.append([vote / sum(votes) for vote in votes])
    return torch.tensor(rows, dtype=torch.float32)


@pytest.mark.parametrize(("k", "T", "unit"), [(1, 0.07, True), (7, 0.07, True), (30, 2.0, False)])
def test_scores_are_those_of_a_slow_loop(
    k: int, T: float, unit: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    (train, labels), (test, _) = draw(30, 6, 4, unit), draw(11, 6, 4, unit)
    expected = slow_votes(train, labels, test, k, T, 5)
    got = knn_votes(train, labels, test, [k, 2], T, 5)
    torch.testing.assert_close(got[k], expected, rtol=1e-4, atol=1e-6)
    expected = slow_votes(train, labels, test, 2, T, 5)
    torch.testing.assert_close(got[2], expected, rtol=1e-4, atol=1e-6)
    monkeypatch.setattr(knn_file, "_MAX_SIMILARITIES", 20)  # two queries at a time
    monkeypatch.setattr(knn_file, "_MAX_TRAIN", 8)  # and four parts of the gallery
    monkeypatch.setattr(knn_file, "_MIN_SHARE", 1)
    torch.testing.assert_close(knn_votes(train, labels, test, [k], T, 5)[k], got[k])


class LargestTensor(TorchDispatchMode):
    """Notes the number of values of the largest tensor that an operation makes."""

    values = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor) and not out._is_view():
            self.values = max(self.values, out.numel())
        return out


def test_similarities_of_a_large_gallery_stay_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knn_file, "_MAX_SIMILARITIES", 400)
    monkeypatch.setattr(knn_file, "_MAX_TRAIN", 100)
    monkeypatch.setattr(knn_file, "_MIN_SHARE", 1)
    (train, labels), (test, _) = draw(1000, 2, 3), draw(50, 2, 3)
    with LargestTensor() as largest:
        knn_votes(train, labels, test, [5], 0.07, 3)
    assert largest.values == 400


@pytest.mark.parametrize(("columns", "k"), [(5, 5), (97, 3), (1000, 1), (1003, 40), (64, 20)])
def test_largest_values_are_those_of_topk(columns: int, k: int) -> None:
    distinct = torch.rand(6, columns).argsort(dim=1).float()
    for values in (distinct, distinct.sort(dim=1).values, distinct.sort(descending=True).values):
        found, index = knn_file._largest(values, k)
        expected = values.topk(k, dim=1)
        assert torch.equal(found, expected.values)
        assert torch.equal(index, expected.indices)
    tied = torch.randint(0, 4, (6, columns)).float()
    found, index = knn_file._largest(tied, k)
    assert torch.equal(found, tied.topk(k, dim=1).values)
    assert torch.equal(tied.gather(1, index), found)
    assert all(len(set(row)) == k for row in index.tolist())


def test_equal_weights_are_sklearns() -> None:
    (train, labels), (test, _) = draw(60, 5, 3), draw(20, 5, 3)
    reference = KNeighborsClassifier(9, metric="cosine").fit(train.numpy(), labels.numpy())
    got = knn_votes(train, labels, test, [9], 1e6, 3)[9]
    np.testing.assert_allclose(got, reference.predict_proba(test.numpy()), atol=1e-5)


@pytest.mark.parametrize(
    ("n", "q", "d", "c", "k", "T", "top1", "top5"),
    [
        (300, 130, 16, 8, 20, 0.07, 12.307692307692308, 55.38461538461539),
        (500, 250, 32, 10, 200, 0.07, 7.6, 46.4),
        (500, 250, 32, 40, 3, 0.5, 1.6, 6.0),
    ],
)
def test_figures_of_0x(
    n: int, q: int, d: int, c: int, k: int, T: float, top1: float, top5: float
) -> None:
    """Printed by MMSelfSup 0.11.0, torch 2.15, CPU, for these features (in this order, seed 0)."""
    torch.manual_seed(0)
    for case in [(300, 130, 16, 8), (50, 23, 8, 3), (500, 250, 32, 10), (500, 250, 32, 40)]:
        train, test = (F.normalize(torch.randn(m, case[2])) for m in case[:2])
        labels, truth = (torch.randint(0, case[3], (m,)) for m in case[:2])
        if case == (n, q, d, c):
            break
    assert knn_classifier(train, labels, test, truth, k, T, c) == pytest.approx((top1, top5))


def test_few_samples_and_large_similarities() -> None:
    train, labels = draw(6, 4, 2)
    top1, top5 = knn_classifier(train, labels, train, labels, 2, 0.001, 2)
    assert (top1, top5) == (100.0, 100.0)


def test_metrics_for_each_k() -> None:
    train, labels = draw(40, 8, 4)
    data = LabelledFeatures(*(2 * [5 * train.numpy(), labels.numpy()]), classes=list("abcd"))
    found = evaluate_knn(data, (1, 40), temperature=1e3)
    assert found[1]["balanced_accuracy"] == found[1]["accuracy"] == found[1]["recall_a"] == 1.0
    assert found[40]["balanced_accuracy"] < 1.0


@pytest.mark.parametrize(("images", "ks"), [(40, (10, 20)), (6, (6,))])
def test_the_default_numbers_fit_a_small_training_set(images: int, ks: tuple[int, ...]) -> None:
    train, labels = draw(images, 8, 2)
    data = LabelledFeatures(*(2 * [train.numpy(), labels.numpy()]))
    protocol = KnnProtocol(num_knn=None, temperature=0.07)
    protocol.check(images)
    result = protocol.evaluate(data, logging.getLogger())
    assert list(result.rows) == [f"kNN, k={k}" for k in ks]
    with pytest.raises(UserError, match="--num-knn 200"):
        KnnProtocol(num_knn=(200,), temperature=0.07).check(images)


def test_bad_input() -> None:
    train, labels = draw(10, 3, 2)
    data = LabelledFeatures(*(2 * [train.numpy(), labels.numpy()]))
    with pytest.raises(UserError, match=r"--num-knn 5 20: there are 10 training samples, give"):
        knn_scores(data, (5, 20))
    for temperature in (0, float("nan")):
        with pytest.raises(UserError, match=f"--temperature {temperature}"):
            knn_scores(data, (5,), temperature=temperature)
    with pytest.raises(ValueError, match=r"k must lie in 1\.\.10"):
        knn_votes(train, labels, train, [11], 0.07, 2)
    broken = train.numpy().copy()
    broken[3] = np.nan
    with pytest.raises(UserError, match="1 of 10 test features are NaN"):
        knn_scores(LabelledFeatures(train.numpy(), labels.numpy(), broken, labels.numpy()))
    zeros = np.zeros(10, dtype=np.int64)
    with pytest.raises(UserError, match="all of one class"):
        knn_scores(LabelledFeatures(train.numpy(), zeros, train.numpy(), zeros), (5,))
