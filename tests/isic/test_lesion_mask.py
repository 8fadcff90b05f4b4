"""The search for a lesion: on drawn images whose lesion is known, and where there is none."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mmselfsup.isic.demo import lesions as pigmented
from mmselfsup.isic.demo.photograph import generator, render
from mmselfsup.isic.lesion_mask import ellipse, find_lesion

SKIN, BROWN = (224, 178, 160), (110, 66, 52)


def overlap(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Intersection over union."""
    return float((first & second).sum() / (first | second).sum())


def drawn(
    *ellipses: tuple[tuple[int, int], tuple[int, int]], height: int = 150, width: int = 200
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Skin with brown ellipses (centre, half axes), soft and noisy, and where they are."""
    inside = np.zeros((height, width), np.uint8)
    for centre, axes in ellipses:
        cv2.ellipse(inside, centre, axes, 20, 0, 360, 1, -1)
    soft = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 2)[..., None]
    pixels = np.float32(SKIN) * (1 - soft) + np.float32(BROWN) * soft
    pixels += np.random.default_rng(0).normal(0, 4, pixels.shape)
    return pixels.clip(0, 255).astype(np.uint8), inside > 0


@pytest.mark.parametrize("label", ["MEL", "NV", "BKL", "VASC"])
def test_lesions_of_the_demo_are_found(label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known: list[NDArray[np.bool_]] = []
    draw = pigmented.draw_outline

    def draw_and_tell(*args: object) -> object:
        outline = draw(*args)  # type: ignore[arg-type]
        known.append(outline.mask > 0.5)
        return outline

    monkeypatch.setattr(pigmented, "draw_outline", draw_and_tell)
    overlaps, covered = [], []
    for n in range(6):  # of 200 rows, so that the outline has the size of the image
        pixels = render(label, generator(0, 1, n), generator(0, 2, n), 200)
        found, truth = find_lesion(pixels).mask, known.pop()
        overlaps.append(overlap(found, truth))
        covered.append((found & truth).sum() / truth.sum())
    assert np.median(overlaps) > 0.7
    assert np.median(covered) > 0.9


def test_hairs_and_dark_corners_are_no_lesion() -> None:
    pixels, truth = drawn(((120, 85), (34, 24)))
    rng = np.random.default_rng(1)
    for _ in range(10):
        ends = [tuple(map(int, rng.integers(0, (200, 150)))) for _ in range(2)]
        cv2.line(pixels, ends[0], ends[1], (40, 30, 28), 1, cv2.LINE_AA)
    down, across = np.mgrid[:150, :200]
    dark = np.hypot(down - 75, across - 100) > 96
    pixels[dark] = 8
    found = find_lesion(pixels)
    assert not found.guessed
    assert overlap(found.mask, truth) > 0.6  # a margin belongs to it
    assert (found.mask & truth).sum() > 0.99 * truth.sum()
    assert not (found.mask & dark).any()


def test_the_mask_has_the_size_of_the_image() -> None:
    small, _ = drawn(((100, 70), (40, 30)))
    expected = find_lesion(small).mask
    for width, height in ((48, 36), (800, 600)):
        other = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_AREA))
        found = find_lesion(other)
        assert found.mask.shape == (height, width)
        back = cv2.resize(found.mask.astype(np.uint8), (200, 150)) > 0
        assert overlap(back, expected) > 0.9


def test_two_alike_are_both_covered() -> None:
    pixels, truth = drawn(((60, 75), (28, 22)), ((145, 80), (26, 20)))
    found = find_lesion(pixels)
    assert (found.mask & truth).sum() > 0.98 * truth.sum()
    assert overlap(found.mask, truth) > 0.6


def test_a_grey_image_has_a_lesion_too() -> None:
    pixels, truth = drawn(((100, 70), (40, 30)))
    found = find_lesion(np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)))
    assert not found.guessed
    assert overlap(found.mask, truth) > 0.7


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((150, 200, 3), 170, np.uint8),
        np.zeros((150, 200, 3), np.uint8),
        np.random.default_rng(0).integers(120, 200, (150, 200, 3), np.uint8),  # nothing there
        drawn(((0, 0), (80, 60)))[0],  # in a corner
        drawn(((100, 75), (2, 2)))[0],  # a dot
        drawn(((100, 75), (130, 100)))[0],  # nearly everything
        np.full((3, 5, 3), 90, np.uint8),
    ],
    ids=["one colour", "black", "noise", "corner", "dot", "all", "tiny"],
)
def test_where_no_lesion_is_found_an_ellipse_is(pixels: NDArray[np.uint8]) -> None:
    found = find_lesion(pixels)
    assert found.guessed
    np.testing.assert_array_equal(found.mask, ellipse(*pixels.shape[:2]))


def test_the_ellipse_is_in_the_middle() -> None:
    mask = ellipse(100, 200)
    assert mask.mean() == pytest.approx(np.pi * 0.4 * 0.4, abs=0.005)
    np.testing.assert_array_equal(mask, mask[::-1, ::-1])
