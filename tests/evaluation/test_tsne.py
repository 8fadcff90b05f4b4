"""Features on a plane, and nearest features against a slow loop."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from mmselfsup.evaluation.knn import nearest
from mmselfsup.evaluation.tsne import _start, embed, unit_length


@pytest.fixture
def groups() -> np.ndarray:
    """Three groups of twenty directions [60, 8], of any length."""
    rng = np.random.default_rng(0)
    centres = np.eye(8)[:3] * 5
    features = np.repeat(centres, 20, axis=0) + rng.normal(size=(60, 8)) * 0.3
    return (features * rng.uniform(0.5, 50, (60, 1))).astype(np.float32)


def test_groups_stay_together_whatever_their_lengths(groups: np.ndarray) -> None:
    places = embed(groups)
    assert places.shape == (60, 2)
    assert np.abs(places).max() == pytest.approx(1)
    group = np.repeat(range(3), 20)
    for i, place in enumerate(places):
        distances = np.linalg.norm(places - place, axis=1)
        distances[i] = np.inf
        assert group[distances.argmin()] == group[i]


def test_equal_arguments_give_equal_places(groups: np.ndarray) -> None:
    np.testing.assert_array_equal(embed(groups, 3), embed(groups.copy(), 3))


def test_starts_from_the_principal_components(groups: np.ndarray) -> None:
    units = unit_length(groups)
    expected = PCA(2, svd_solver="full").fit_transform(units.astype(np.float64))
    expected *= 1e-4 / expected[:, 0].std()
    got = _start(units)
    signs = np.sign((got * expected).sum(axis=0))
    np.testing.assert_allclose(got, expected * signs, atol=1e-8)


@pytest.mark.parametrize(("n", "d"), [(2, 4), (3, 1), (5, 2), (7, 512)])
def test_a_few_samples_are_enough(n: int, d: int) -> None:
    features = np.random.default_rng(0).normal(size=(n, d)).astype(np.float32)
    assert np.isfinite(embed(features)).all()


@pytest.mark.parametrize("n", [1, 30])
def test_what_is_all_the_same_lies_in_one_place(n: int) -> None:
    noise = np.random.default_rng(0).normal(size=(n, 4)) * 1e-8
    features = (np.ones((n, 4)) + noise).astype(np.float32)
    np.testing.assert_array_equal(embed(features), np.zeros((n, 2)))


def test_what_is_not_finite_is_refused(groups: np.ndarray) -> None:
    groups[4, 2] = np.nan
    with pytest.raises(ValueError, match="finite"):
        embed(groups)


def test_neighbours_are_those_of_a_slow_loop() -> None:
    rng = np.random.default_rng(0)
    gallery, queries = (rng.normal(size=(n, 5)).astype(np.float32) for n in (40, 3))
    index, cosines = nearest(gallery, queries, 6)
    assert index.shape == cosines.shape == (3, 6)
    for query, found, values in zip(queries, index, cosines, strict=True):
        slow = [
            float(query @ other / np.linalg.norm(query) / np.linalg.norm(other))
            for other in gallery
        ]
        assert list(found) == sorted(range(40), key=lambda i: -slow[i])[:6]
        np.testing.assert_allclose(values, sorted(slow)[::-1][:6], rtol=1e-5)


def test_of_equal_neighbours_the_first_comes_first() -> None:
    gallery = np.array([[0, 1], [2, 0], [1, 0], [0, 0]], dtype=np.float32)
    index, cosines = nearest(gallery, np.array([[3, 0]], dtype=np.float32), 9)
    assert index.tolist() == [[1, 2, 0, 3]]
    assert cosines.tolist() == [[1, 1, 0, 0]]
