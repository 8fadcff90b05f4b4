"""Rankings of issues against slow references, and what they must do by definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import cophenet, single
from scipy.spatial.distance import cdist, pdist, squareform
from sklearn.metrics import average_precision_score

from mmselfsup.evaluation import data_issues
from mmselfsup.evaluation.data_issues import (
    group_numbers,
    label_error_scores,
    near_duplicates,
    nearest_distances,
    off_topic_scores,
    retrieval,
)
from mmselfsup.utils.errors import UserError


def draw(seed: int, num: int = 40, width: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, labels (some without) and groups of one to a few images."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(num, width)).astype(np.float32)
    return features, rng.integers(-1, 3, num), rng.integers(0, num // 2, num)


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_distances_equal_a_slow_loop(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels, groups = draw(1)
    monkeypatch.setattr(data_issues, "_MAX_DISTANCES", rows * len(features))
    found = nearest_distances(features, labels, groups, 5)
    slow = cdist(features, features, "cosine")
    for i in range(len(features)):
        others = [j for j in range(len(features)) if j != i]
        across = sorted(slow[i, j] for j in others if groups[j] != groups[i])[:5]
        within = sorted(slow[i, j] for j in others if groups[j] == groups[i])[:5]
        np.testing.assert_allclose(found.across[i], across, atol=1e-6)
        np.testing.assert_allclose(found.within[i, : len(within)], within, atol=1e-6)
        assert np.isinf(found.within[i, len(within) :]).all()
        free = [j for j in others if groups[j] != groups[i] and min(labels[i], labels[j]) >= 0]
        for column, equal in (("same", True), ("other", False)):
            allowed = [slow[i, j] for j in free if (labels[i] == labels[j]) == equal]
            expected = min(allowed, default=np.inf)
            np.testing.assert_allclose(getattr(found, column)[i], expected, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(4, 30))
def test_pairs_are_unique_sorted_and_the_nearest(seed: int, num: int) -> None:
    features, labels, groups = draw(seed, num)
    found = nearest_distances(features, labels, groups, num - 1)  # all neighbours: all pairs
    slow = cdist(features, features, "cosine")
    for distance, index, alike in (
        (found.across, found.across_index, False),
        (found.within, found.within_index, True),
    ):
        pairs = near_duplicates(distance, index)
        expected = {
            (i, j)
            for i in range(num)
            for j in range(i + 1, num)
            if (groups[i] == groups[j]) == alike
        }
        assert {tuple(pair) for pair in pairs.index.tolist()} == expected
        assert len(pairs.index) == len(expected)
        assert (np.diff(pairs.distance) >= 0).all()
        np.testing.assert_allclose(pairs.distance, slow[tuple(pairs.index.T)], atol=1e-6)
        short = near_duplicates(distance, index, most=3)
        np.testing.assert_array_equal(short.index, pairs.index[:3])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 40))
def test_off_topic_equals_the_mean_cophenetic_distance(seed: int, num: int) -> None:
    features = draw(seed, num)[0]
    heights = squareform(cophenet(single(pdist(features.astype(float), "cosine"))))
    expected = heights.sum(axis=1) / (num - 1)
    np.testing.assert_allclose(off_topic_scores(features), expected, atol=1e-6)


def test_a_small_far_cluster_is_off_topic() -> None:
    rng = np.random.default_rng(0)
    usual = np.array([1.0, 0, 0, 0]) + 0.05 * rng.normal(size=(60, 4))
    far = np.array([-1.0, 1, 0, 0]) + 0.01 * rng.normal(size=(3, 4))  # near to each other
    features = np.concatenate([usual[:30], far, usual[30:]]).astype(np.float32)
    first = np.argsort(-off_topic_scores(features))[:3]
    assert sorted(first.tolist()) == [30, 31, 32]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_rankings_do_not_depend_on_length_and_order(seed: int) -> None:
    features, labels, groups = draw(seed)
    order = np.random.default_rng(seed).permutation(len(features))
    scaled = features * np.linspace(0.1, 9, len(features), dtype=np.float32)[:, None]

    def scores(*arrays: np.ndarray) -> np.ndarray:
        found = nearest_distances(*arrays, 3)
        return np.stack([label_error_scores(found.same, found.other), off_topic_scores(arrays[0])])

    straight = scores(features, labels, groups)
    turned = scores(scaled[order], labels[order], groups[order])
    np.testing.assert_allclose(straight[:, order], turned, atol=1e-4)


def test_label_errors_by_the_formula() -> None:
    same = np.array([0.3, 0.0, 0.4, np.inf, 0.2, 0.0], dtype=np.float32)
    other = np.array([0.1, 0.2, 0.4, 0.1, np.inf, 0.0], dtype=np.float32)
    scores = label_error_scores(same, other)
    np.testing.assert_allclose(scores, [0.9, 0.0, 0.5, np.nan, np.nan, 0.5], atol=1e-6)


def test_a_flipped_label_comes_first_even_beside_its_own_lesion() -> None:
    rng = np.random.default_rng(0)
    centres = np.eye(3)[np.repeat([0, 1, 2], 10)]
    features = (centres + 0.05 * rng.normal(size=centres.shape)).astype(np.float32)
    labels = np.repeat([0, 1, 2], 10)
    labels[3] = labels[4] = 2  # both images of one lesion: each would vouch for the other
    groups = np.arange(30)
    groups[4] = groups[3]
    found = nearest_distances(features, labels, groups, 3)
    scores = label_error_scores(found.same, found.other)
    assert sorted(np.argsort(-scores)[:2].tolist()) == [3, 4]
    assert labels[found.other_index[3]] == 0


def test_images_without_a_group_are_alone() -> None:
    numbers = group_numbers(["a", "", "b", "a", ""], 5)
    assert numbers[0] == numbers[3]
    assert len(set(numbers.tolist())) == 4
    assert len(set(group_numbers(None, 3).tolist())) == 3


@settings(max_examples=25, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=30).filter(any), st.integers(1, 10))
def test_average_precision_equals_scikit_learns(hits: list[bool], top: int) -> None:
    array = np.array(hits)
    found = retrieval(array, int(array.sum()), top)
    expected = average_precision_score(array, -np.arange(len(array)))
    assert found.average_precision == pytest.approx(expected)
    assert found.recall == sum(hits[:top]) / sum(hits)
    # what the ranking lacks counts as never found
    assert retrieval(array, 2 * int(array.sum()), top).average_precision == pytest.approx(
        expected / 2
    )


def test_unusable_features_are_one_line() -> None:
    features, labels, groups = draw(0)
    with pytest.raises(UserError, match="--neighbours 40: there are 40 images"):
        nearest_distances(features, labels, groups, 40)
    with pytest.raises(UserError, match="have the same features"):
        nearest_distances(np.ones_like(features), labels, groups, 3)
    with pytest.raises(UserError, match="got float32"):
        nearest_distances(features[0], labels, groups, 3)
    features[3, 1] = np.nan
    with pytest.raises(UserError, match="1 of 40 features are NaN"):
        nearest_distances(features, labels, groups, 3)
