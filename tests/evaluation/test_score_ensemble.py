"""The mean of several score files, against a slow computation."""

import dataclasses
import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmselfsup.evaluation.scores import MEANS, ScoreFile, average_scores
from mmselfsup.utils.errors import UserError

CLASSES = ["MEL", "NV", "BCC"]


def member(name: str, seed: int, num: int = 7, logits: bool = False, **changes: Any) -> ScoreFile:
    """Scores of images in an order of their own."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(num, 3)) * 3
    if not logits:
        scores = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    order = rng.permutation(num)
    file = ScoreFile(
        path=name,
        scores=scores,
        labels=order % 3,
        classes=CLASSES,
        images=[f"ISIC_{i}.jpg" for i in order],
        lesions=[f"HAM_{i // 2}" for i in order],
    )
    return dataclasses.replace(file, **changes)


def slow_mean(files: list[ScoreFile], image: str, kind: str) -> list[float]:
    """One image's probabilities, number by number."""
    rows = []
    for file in files:
        assert file.images is not None
        row = file.scores[file.images.index(image)].tolist()
        if abs(sum(row) - 1) > 1e-3:
            total = sum(math.exp(value) for value in row)
            row = [math.exp(value) / total for value in row]
        rows.append(row)
    if kind == "arithmetic":
        return [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    products = [math.prod(column) ** (1 / len(rows)) for column in zip(*rows, strict=True)]
    return [value / sum(products) for value in products]


@pytest.mark.parametrize("kind", MEANS)
def test_against_a_slow_mean(kind: str) -> None:
    files = [member("a", 1), member("b", 2, logits=True), member("c", 3)]
    joined = average_scores(files, kind)
    assert joined.images == files[0].images
    for image, row, label, lesion in zip(
        joined.images or (), joined.scores, joined.labels, joined.lesions, strict=True
    ):
        np.testing.assert_allclose(row, slow_mean(files, image, kind), rtol=1e-9)
        number = int(image[5:-4])
        assert (label, lesion) == (number % 3, f"HAM_{number // 2}")


@pytest.mark.parametrize("kind", MEANS)
@given(seeds=st.lists(st.integers(0, 10**6), min_size=2, max_size=5, unique=True))
@settings(max_examples=15, deadline=None)
def test_the_order_of_files_and_images_changes_no_bit(kind: str, seeds: list[int]) -> None:
    files = [member(str(seed), seed, logits=seed % 2 == 0) for seed in seeds]
    wanted: dict[str, list[float]] = {}
    for order in itertools.islice(itertools.permutations(files), 6):
        joined = average_scores(order, kind)
        assert len(set(joined.images or ())) == len(joined.scores) == 7
        found = dict(zip(joined.images or (), joined.scores.tolist(), strict=True))
        wanted = wanted or found
        assert found == wanted
        np.testing.assert_allclose(joined.scores.sum(axis=1), 1)


def test_a_zero_is_no_veto() -> None:
    """Two models that are sure of different classes: even, not 0 / 0."""
    one, two = np.eye(3)[[0] * 7], np.eye(3)[[1] * 7]
    files = [member("a", 1, scores=one), member("b", 2, scores=two)]
    np.testing.assert_allclose(average_scores(files, "geometric").scores[:, :2], 0.5, atol=1e-5)


def test_what_one_file_knows_counts() -> None:
    bare = member("a", 1, labels=None, lesions=None)
    joined = average_scores([bare, member("b", 2)])
    numbers = [int(image[5:-4]) for image in joined.images or ()]
    assert joined.labels is not None
    assert joined.labels.tolist() == [number % 3 for number in numbers]
    assert average_scores([bare, dataclasses.replace(bare, path="b")]).labels is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ["NV", "MEL", "BCC"]}, r"b has 3 classes \(NV, MEL, BCC\), a 3 .*same order"),
        ({"classes": None}, r"b has 3 classes \(without names\)"),
        ({"images": None}, "b doesn't name its images"),
        ({"images": ["x.jpg"] * 7}, r"b: the image x\.jpg occurs more than once"),
        (
            {"images": [f"other_{i}.jpg" for i in range(7)]},
            r"a and b are not about the same images \(7 and 7; ISIC_\d\.jpg is in one",
        ),
        ({"labels": np.full(7, 2)}, r"a and b have different labels for ISIC_\d\.jpg"),
        ({"lesions": [""] * 7}, r"different lesions for ISIC_\d\.jpg"),
        ({"path": "a"}, "a is given twice"),
        ({"scores": np.full((7, 3), 0.5)}, r"b: the scores of ISIC_\d\.jpg are no probabilities"),
        ({"scores": np.tile([1.5, -0.5, 0.0], (7, 1))}, "are no probabilities"),
        ({"scores": np.array([[1.0, 0, 0]] * 6 + [[3.0, 1, 1]])}, "are no probabilities"),
    ],
)
def test_mistakes(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        average_scores([member("a", 1), member("b", 2, **changes)])


def test_more_images_in_one_file() -> None:
    with pytest.raises(UserError, match=r"\(7 and 9; ISIC_\d\.jpg is in one"):
        average_scores([member("a", 1), member("b", 2, num=9)])
    with pytest.raises(UserError, match=r"two files of scores or more, got 1"):
        average_scores([member("a", 1)])
    with pytest.raises(UserError, match="mean must be one of arithmetic, geometric, got 'median'"):
        average_scores([member("a", 1), member("b", 2)], "median")
    empty = {"scores": np.zeros((0, 3)), "labels": None, "images": [], "lesions": None}
    with pytest.raises(UserError, match="a holds no scores"):
        average_scores([member("a", 1, **empty), member("b", 2, **empty)])
