"""k-means, whitening and power iteration clustering against loops and known groups."""

import numpy as np
import pytest
import torch

from mmselfsup.utils import clustering
from mmselfsup.utils.clustering import (
    PIC,
    Kmeans,
    nearest_centroids,
    preprocess_features,
    run_kmeans,
    torch_kmeans,
)
from mmselfsup.utils.errors import UserError


def blobs(groups=4, members=15, width=6, noise=0.05, seed=0):
    """Well separated groups, shuffled; the features and the group of each."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.repeat(np.arange(groups), members))
    centres = np.eye(groups, width) * 3
    x = centres[truth] + noise * rng.standard_normal((len(truth), width))
    return x.astype(np.float32), truth


def same_partition(labels, truth):
    """Whether two labellings group the samples alike, whatever the groups are called."""
    pairs = set(zip(np.asarray(labels).tolist(), truth.tolist(), strict=True))
    return len(pairs) == len(set(truth.tolist())) == len(set(np.asarray(labels).tolist()))


def slow_loss(x, labels, k):
    """Sum of squared distances to the mean of the own group."""
    total = 0.0
    for group in range(k):
        members = [row for row, label in zip(x, labels, strict=True) if label == group]
        mean = sum(members) / max(len(members), 1)
        total += sum(float(((row - mean) ** 2).sum()) for row in members)
    return total


def found(k, pca_dim, x):
    """The best of a few starts: k-means finds local minima."""
    runs = []
    for seed in range(5):
        torch.manual_seed(seed)
        kmeans = Kmeans(k, pca_dim)
        runs.append((kmeans.cluster(x), seed, kmeans))
    return min(runs)[2]


def test_kmeans_finds_the_groups():
    x, truth = blobs()
    kmeans = found(4, -1, x)
    assert same_partition(kmeans.labels, truth)
    assert kmeans.labels.dtype == np.int64
    assert kmeans.centroids.shape == (4, 6)


def test_the_loss_is_the_sum_of_squared_distances():
    x, _ = blobs(noise=0.5)
    labels, loss = run_kmeans(x, 4)
    assert loss == pytest.approx(slow_loss(x, labels, 4), rel=1e-3)


def test_the_device_version_finds_the_groups():
    x, truth = blobs()
    best = min(
        (torch_kmeans(torch.from_numpy(x), 4, seed) for seed in range(5)), key=lambda c: c.loss
    )
    assert same_partition(best.labels, truth)
    assert best.loss == pytest.approx(slow_loss(x, best.labels, 4), rel=1e-3)


def test_nearest_centroids_equal_the_loop(monkeypatch):
    monkeypatch.setattr("mmselfsup.utils.clustering._NUM_SCORES", 12)  # several parts
    x, c = torch.randn(11, 3), torch.randn(4, 3)
    labels, distances = nearest_centroids(x, c)
    for i in range(11):
        squares = [float(((x[i] - centre) ** 2).sum()) for centre in c]
        assert labels[i] == int(np.argmin(squares))
        assert distances[i].item() == pytest.approx(min(squares), abs=1e-5)


@pytest.mark.parametrize("device_version", [False, True])
def test_as_many_clusters_as_samples(device_version):
    x, _ = blobs(groups=2, members=4)
    if device_version:
        labels = torch_kmeans(torch.from_numpy(x), 8, 0).labels
    else:
        labels = run_kmeans(x, 8)[0]
    assert len(set(np.asarray(labels).tolist())) == 8


def test_equal_samples_leave_clusters_empty_without_harm():
    labels, loss = run_kmeans(np.ones((9, 3), np.float32), 3)
    assert loss == pytest.approx(0, abs=1e-5)
    assert torch_kmeans(torch.ones(9, 3), 3, 0).loss == pytest.approx(0, abs=1e-5)
    assert len(labels) == 9


def test_the_seed_comes_from_torch():
    x = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)
    runs = []
    for _ in range(2):
        torch.manual_seed(3)
        kmeans = Kmeans(7, 4)
        kmeans.cluster(x)
        runs.append(kmeans.labels.tolist())
    assert runs[0] == runs[1]


def test_whitening():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 5)) * [5, 1, 3, 0.1, 2] + 7
    got = preprocess_features(x.astype(np.float32), 3)
    assert got.shape == (400, 3)
    assert np.allclose(np.linalg.norm(got, axis=1), 1, atol=1e-5)
    centred = x - x.mean(0)
    values, vectors = np.linalg.eigh(centred.T @ centred / 400)
    slow = centred @ vectors[:, -3:] / np.sqrt(values[-3:])
    slow /= np.linalg.norm(slow, axis=1, keepdims=True)
    assert np.allclose(np.abs(got), np.abs(slow), atol=1e-3)  # the sign of an axis is free


@pytest.mark.parametrize("part", [1, 7 * 6, 10**6])
def test_whitening_in_parts_is_that_of_all_rows(part, monkeypatch):
    x = (np.random.default_rng(1).standard_normal((100, 6)) @ np.diag(range(1, 7)) + 30).astype(
        np.float32
    )
    centred = torch.from_numpy(x) - torch.from_numpy(x).mean(0)  # as it was: all rows at once
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(x))
    before = torch.nn.functional.normalize(centred @ (vectors[:, -4:] / values[-4:].sqrt()), dim=1)
    monkeypatch.setattr(clustering, "_PART", part)
    got = preprocess_features(x, 4)
    assert got.dtype == np.float32
    assert np.allclose(np.abs(got), before.abs().numpy(), atol=1e-4)
    raw = preprocess_features(x, -1)
    assert np.allclose(raw, x / np.linalg.norm(x, axis=1, keepdims=True), atol=1e-6)
    x[99, 3] = np.inf
    with pytest.raises(UserError, match="not finite"):
        preprocess_features(x, 4)


def test_without_components_rows_are_only_scaled():
    x = np.array([[3.0, 4.0], [0.0, 0.0]], np.float32)
    assert np.allclose(preprocess_features(x, -1), [[0.6, 0.8], [0, 0]])


def test_features_in_float64_are_refused_and_not_converted():
    with pytest.raises(AssertionError, match="float32, got float64"):
        Kmeans(k=2, pca_dim=-1).cluster(np.random.rand(8, 4))


def test_faiss_is_an_attribute_that_can_be_replaced(monkeypatch):
    import faiss

    assert clustering.faiss is faiss

    class Broken:
        def Kmeans(self, *args, **kwargs):
            raise MemoryError("replaced")

    monkeypatch.setattr(clustering, "faiss", Broken())
    with pytest.raises(MemoryError, match="replaced"):
        clustering.faiss_kmeans(blobs()[0], 2, seed=0)
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        clustering.other  # noqa: B018


def test_wrong_features_are_refused():
    x = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    with pytest.raises(AssertionError):
        Kmeans(2, 2).cluster(x.tolist())
    with pytest.raises(AssertionError, match="float64"):
        Kmeans(2, 2).cluster(x.astype(np.float64))
    with pytest.raises(UserError, match=r"pca_dim=5 .* 6 images with 4 features"):
        preprocess_features(x, 5)
    with pytest.raises(UserError, match="6 images can't make 7 clusters"):
        Kmeans(7, -1).cluster(x)
    x[0, 0] = np.nan
    with pytest.raises(UserError, match="not finite"):
        Kmeans(2, -1).cluster(x)


def slow_climb(w, v):
    """Step to the neighbour with the largest weight times rise until there is none."""
    dense = w.toarray()
    tops = []
    for node in range(len(v)):
        while True:
            rises = dense[node] * (v - v[node])
            best = int(np.argmax(rises))
            if rises[best] <= 0:
                break
            node = best
        tops.append(node)
    names = {top: i for i, top in enumerate(sorted(set(tops)))}
    return [names[top] for top in tops]


def test_power_iteration_equals_the_loop():
    x, _ = blobs(members=12, noise=0.4)
    ids, distances = clustering.make_graph(x, 4)
    for i in (0, 20):
        slow = ((x - x[i]) ** 2).sum(1)
        assert ids[i, 0] == i
        assert np.allclose(distances[i], np.sort(slow)[:5], atol=1e-4)
    w = clustering.make_adjacencyW(ids, distances, 0.7)
    assert w[0, ids[0, 2]] == pytest.approx(np.exp(-distances[0, 2] / 0.49), rel=1e-4)
    w = (w + w.T).tocsr()
    v = np.full(len(x), 1 / len(x))
    for _ in range(200):
        v = 0.3 * (w.toarray() @ v) + 0.7 / len(x)
        v /= v.sum()
    got = clustering.find_maxima_cluster(w, v)
    assert got.tolist() == slow_climb(w, v)
    assert clustering.run_pic(ids, distances, 0.7, 0.3) == [int(c) for c in got]


def test_pic_keeps_groups_apart_and_leaves_nobody_alone():
    x, truth = blobs(members=20, noise=0.1)
    pic = PIC(nnn=3, pca_dim=-1)
    assert pic.cluster(x) == 0
    for members in pic.images_lists:
        assert len({truth[i] for i in members}) == 1
        assert len(members) > 1
        assert len(set(pic.labels[members].tolist())) == 1
    assert sorted(i for members in pic.images_lists for i in members) == list(range(80))


@pytest.mark.parametrize("seed", range(4))
def test_an_empty_cluster_takes_the_farthest_sample(seed: int) -> None:
    # Most seeds start with two centroids on the same spot: one of the two is empty.
    spots = torch.tensor([[9.0, 9.0], [9.0, -9.0], [-9.0, 9.0]])
    x = spots[torch.tensor([0] * 20 + [1, 2])]  # [N, 2]
    found = torch_kmeans(x, 3, seed)
    assert sorted(np.bincount(found.labels, minlength=3)) == [1, 1, 20]
    assert found.loss == pytest.approx(0, abs=1e-4)
