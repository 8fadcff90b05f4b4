"""Folds: never a lesion on both sides, balanced, and the same everywhere."""

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmselfsup.isic.folds import assign_folds, lesion_groups, lesion_sources

rows = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 12), st.sampled_from(["HAM", "BCN", ""])),
    min_size=30,
    max_size=80,
)


def unpack(table: list[tuple[int, int, str]]) -> tuple[list[int], list[str], list[str]]:
    """Labels, groups, sources; a source of '' stands for an image without a lesion id."""
    lesions = [f"{source}_{number}" if source else "" for _, number, source in table]
    images = [f"ISIC_{i}" for i in range(len(table))]
    return [row[0] for row in table], lesion_groups(images, lesions), lesion_sources(lesions)


@given(table=rows, num_folds=st.integers(2, 6), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_no_lesion_is_parted_and_the_order_of_rows_means_nothing(
    table: list[tuple[int, int, str]], num_folds: int, seed: int
) -> None:
    labels, groups, sources = unpack(table)
    if len(set(groups)) < num_folds:
        return
    folds = assign_folds(labels, groups, num_folds, seed, sources)
    assert len(folds) == len(table)
    assert set(folds) <= set(range(num_folds))
    assert len(set(zip(groups, folds, strict=True))) == len(set(groups))

    order = list(range(len(table)))
    random.Random(seed).shuffle(order)
    shuffled = [[column[i] for i in order] for column in (labels, groups, sources)]
    again = assign_folds(shuffled[0], shuffled[1], num_folds, seed, shuffled[2])
    assert again == [folds[i] for i in order]


def test_classes_and_sources_are_balanced() -> None:
    """As in ISIC-2019: classes from many to few, mostly one to four images a lesion."""
    generator = random.Random(3)
    labels, lesions = [], []
    for label, size in enumerate((700, 2000, 500, 130, 400, 36, 38, 95)):
        while labels.count(label) < size:
            source = generator.choice(["BCN", "HAM", "MSK4"])
            number = len(labels)
            for _ in range(generator.choice([1, 1, 1, 2, 3, 4])):
                labels.append(label)
                lesions.append(f"{source}_{number}")
    groups, sources = lesion_groups(lesions, lesions), lesion_sources(lesions)
    folds = assign_folds(labels, groups, 5, 0, sources)
    by_source = list(zip(labels, sources, strict=True))
    assert spread(labels, folds) <= 2
    assert spread(by_source, folds) <= 4  # at most a lesion with four images


def spread(strata: list[Any], folds: list[int]) -> int:
    """Greatest difference between two folds in the images of a stratum."""
    counts = Counter(zip(strata, folds, strict=True))
    sizes = [[counts[stratum, fold] for fold in range(5)] for stratum in set(strata)]
    return max(max(size) - min(size) for size in sizes)


def golden_table() -> tuple[list[str], list[int], list[str]]:
    """40 images: lesions of one to three images, four without an id."""
    images = [f"ISIC_{i:07d}" for i in range(40)]
    labels = [(i // 3) % 8 for i in range(40)]
    lesions = ["" if i % 10 == 9 else f"{('HAM', 'BCN')[i % 3 == 1]}_{i // 3}" for i in range(40)]
    return images, labels, lesions


@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        (0, "0103134142410203034042122424203230301411"),
        (1, "4340200300143030203134242121341412322121"),
    ],
)
def test_folds_never_change(seed: int, expected: str) -> None:
    """Users compare runs over years; a change must raise ``folds.ALGORITHM``."""
    images, labels, lesions = golden_table()
    folds = assign_folds(labels, lesion_groups(images, lesions), 5, seed, lesion_sources(lesions))
    assert "".join(map(str, folds)) == expected


def test_images_without_a_lesion_are_groups_of_their_own() -> None:
    assert lesion_groups(["a", "b", "c", "d"], ["", "", "a", "a"]) == [
        "image a",
        "image b",
        "lesion a",
        "lesion a",
    ]
    assert lesion_sources(["HAM_0001", "MSK4_1_2", "", "plain"]) == ["HAM", "MSK4", "", "plain"]


@pytest.mark.parametrize("num_folds", [-1, 0, 1, 4])
def test_impossible_numbers_of_folds_are_refused(num_folds: int) -> None:
    with pytest.raises(ValueError, match=rf"must be 2\.\.3 \(groups\), got {num_folds}"):
        assign_folds([0, 1, 2, 2], ["a", "b", "c", "c"], num_folds, 0)


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="equally long, got 2, 1, 2"):
        assign_folds([0, 1], ["a"], 2, 0)
