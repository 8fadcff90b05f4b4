"""Plots are pixels: of the same size whoever asks, and another picture for other numbers."""

import numpy as np
import pytest

from mmselfsup.evaluation.plots import draw_confusion, draw_embedding, draw_reliability


def test_confusion_matrix_is_drawn() -> None:
    picture = draw_confusion(np.array([[9, 1], [0, 0]]), ["NV", "MEL"])
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert picture.shape[2] == 3
    assert picture.std() > 0


@pytest.mark.filterwarnings("error")
def test_cells_are_coloured_by_their_fraction_of_the_row() -> None:
    once = draw_confusion(np.array([[9, 0], [0, 0]]), ["NV", "MEL"])  # a class without images
    colours = [tuple(once[x]) for x in np.ndindex(once.shape[:2])]
    darkest = (8, 48, 107)  # the end of the colour map "Blues"
    assert colours.count(darkest) > 1000
    half = draw_confusion(np.array([[9, 9], [0, 0]]), ["NV", "MEL"])
    assert darkest not in {tuple(half[x]) for x in np.ndindex(half.shape[:2])}


def test_reliability_is_drawn() -> None:
    scores, labels = np.array([[3.0, 0], [0, 1], [1, 0]]), np.array([0, 1, 1])
    picture = draw_reliability(scores, labels)
    assert picture.dtype == np.uint8
    height, width, channels = picture.shape
    # 4.6 x 5.4 inches at 100 dpi; some versions of matplotlib round 459.99 down.
    assert abs(height - 540) <= 1
    assert abs(width - 460) <= 1
    assert channels == 3
    assert picture.std() > 0
    assert (picture != draw_reliability(scores, 1 - labels)).any()


def test_images_without_a_label_are_no_class() -> None:
    positions = np.array([[0, 0], [1, 1], [2, 0]], np.float32)
    assert draw_embedding(positions, np.full(3, -1), []).std() > 0
    labels = np.array([0, -1, 1])
    other = draw_embedding(positions, labels, ["a", "b"])
    assert not np.array_equal(other, draw_embedding(positions, labels.clip(0), ["a", "b"]))
    grey = (211, 211, 211)
    assert grey in {tuple(pixel) for pixel in other.reshape(-1, 3).tolist()}
