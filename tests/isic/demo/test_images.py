"""What the images show: one lesion stays itself, and colour alone doesn't determine the class."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mmselfsup.isic.challenge import CLASSES
from mmselfsup.isic.demo.dataset import Photo
from mmselfsup.isic.demo.drawing import Canvas, rotation, smoothstep
from mmselfsup.isic.demo.photograph import PAINTERS, generator, render


def canvas(turn: float = 0.0, centre: tuple[float, float] = (20.0, 16.0)) -> Canvas:
    return Canvas(32, 40, rotation(turn) * 10, centre)


def test_mean_colour_tells_the_classes_badly(demo: tuple[Path, list[Photo]]) -> None:
    root, photos = demo
    files = [root / "ISIC_2019_Training_Input" / f"{photo.image}.jpg" for photo in photos]
    colour = np.stack([np.asarray(cv2.imread(str(file))).reshape(-1, 3).mean(0) for file in files])
    labels = np.array([CLASSES.index(photo.label) for photo in photos])
    lesions = [photo.lesion for photo in photos]
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
    folds = StratifiedGroupKFold(4, shuffle=True, random_state=0)
    guess = cross_val_predict(model, colour, labels, groups=lesions, cv=folds)
    assert balanced_accuracy_score(labels, guess) < 0.30  # chance is 0.125


@pytest.mark.parametrize("label", PAINTERS)
def test_the_view_does_not_change_what_the_lesion_is(label: str) -> None:
    """Both photographs leave the lesion's generator in the same state: all draws were equal."""
    states = []
    for photo in (0, 1):
        lesion = generator(0, 1, 7)
        image = render(label, lesion, generator(0, 2, photo), 32)
        assert image.shape == (32, 43, 3)
        assert image.dtype == np.uint8
        assert image.std() > 5
        states.append(lesion.bit_generator.state)
    assert states[0] == states[1]


@pytest.mark.parametrize("label", PAINTERS)
def test_lesions_and_photographs_of_a_class_differ(label: str) -> None:
    def image(lesion: int, photo: int) -> np.ndarray:
        return render(label, generator(0, 1, lesion), generator(0, 2, photo), 24).astype(float)

    assert np.abs(image(0, 0) - image(0, 0)).max() == 0
    assert np.abs(image(0, 0) - image(1, 0)).mean() > 1
    assert np.abs(image(0, 0) - image(0, 1)).mean() > 1


def test_noise_is_fixed_to_the_lesion() -> None:
    """Turned by a quarter about a pixel, the picture is the turned picture."""
    square = Canvas(33, 33, rotation(0.0) * 10, (16, 16))
    turned = Canvas(33, 33, rotation(np.pi / 2) * 10, (16, 16))
    first = square.noise(generator(0), 0.7)
    second = turned.noise(generator(0), 0.7)
    np.testing.assert_allclose(np.rot90(first, -1), second, atol=1e-3)


def test_noise_is_the_sum_of_its_waves() -> None:
    u, v = canvas(0.4).grid
    rng = generator(1)
    angle, spread, phase = (rng.uniform(0, 1, 8) for _ in range(3))
    angle, phase = 2 * np.pi * angle, 2 * np.pi * phase
    length = 2 * np.pi / 0.9 * np.exp(spread - 0.5)
    slow = np.zeros_like(u, dtype=float)
    for a, k, p in zip(angle, length, phase, strict=True):
        slow += np.cos(k * np.cos(a) * u + k * np.sin(a) * v + p)
    np.testing.assert_allclose(canvas(0.4).noise(generator(1), 0.9), slow / 2, atol=1e-3)


def test_discs_lie_where_the_grid_says() -> None:
    u, v = canvas(0.7).grid
    spot = canvas(0.7).discs(np.array([[0.6, -0.3]]), 0.25)
    inside = np.hypot(u - 0.6, v + 0.3)
    assert (spot[inside < 0.12] == 1).all()
    assert (spot[inside > 0.40] == 0).all()


def test_smoothstep_rises_and_falls() -> None:
    x = np.array([-1.0, 0.0, 0.5, 1.0, 2.0], dtype=np.float32)
    np.testing.assert_allclose(smoothstep(0, 1, x), [0, 0, 0.5, 1, 1])
    np.testing.assert_allclose(smoothstep(1, 0, x), [1, 1, 0.5, 0, 0])
