"""Accuracy without the lesion: hiding, masks, toy classifiers, intervals."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmcv import Config
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from mmselfsup.datasets import build_dataset
from mmselfsup.evaluation.explanation_files import AS_IS, HIDDEN, ONLY, VIEWS
from mmselfsup.evaluation.heat_map_cases import mask_sheet, seen_pixels
from mmselfsup.evaluation.occlusion import (
    HidingSource,
    LesionMasks,
    find_masks,
    hide,
    measure_occlusion,
    skin_colour,
    view_scores,
)
from mmselfsup.isic.dark_border import DARK
from mmselfsup.isic.lesion_mask import find_lesion
from mmselfsup.utils.errors import UserError

SKIN, BROWN, RED, BLUE = (224, 178, 160), (92, 52, 40), (150, 40, 44), (60, 80, 200)


def test_what_is_hidden_gets_the_colour_of_the_skin() -> None:
    pixels = np.full((40, 60, 3), SKIN, np.uint8)
    pixels[:10] = 5  # a dark border of the field of view, no skin
    lesion = np.zeros((40, 60), bool)
    lesion[15:35, 10:30] = True
    pixels[lesion] = BROWN
    before = pixels.copy()
    hidden, alone = hide(pixels, lesion, HIDDEN, DARK), hide(pixels, lesion, ONLY, DARK)
    assert (hidden[lesion] == SKIN).all()
    np.testing.assert_array_equal(hidden[~lesion], before[~lesion])
    assert (alone[~lesion] == SKIN).all()
    np.testing.assert_array_equal(alone[lesion], before[lesion])
    np.testing.assert_array_equal(hide(pixels, lesion, AS_IS, DARK), before)
    np.testing.assert_array_equal(pixels, before)


def test_how_dark_a_border_is_depends_on_the_images() -> None:
    pixels = np.full((40, 60, 3), SKIN, np.uint8)
    pixels[:, :45] = 120  # most of the image: a border only where the caller says so
    lesion = np.zeros((40, 60), bool)
    lesion[15:25, 46:56] = True
    np.testing.assert_array_equal(skin_colour(pixels, lesion, dark=121), SKIN)
    np.testing.assert_array_equal(skin_colour(pixels, lesion, dark=120), (120, 120, 120))


def test_masks_come_from_the_function_that_is_given(images: Config) -> None:
    def find_mask(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], bool]:
        mask = np.zeros(pixels.shape[:2], bool)
        mask[:36] = True
        return mask, bool(pixels[0, 0, 2] > 180)  # a guess where the corner is blue

    dataset = build_dataset(images.data.test)
    masks = LesionMasks(**find_masks(dataset.data_source, images, find_mask))
    assert masks.fractions() == pytest.approx([0.5] * 24)
    np.testing.assert_array_equal(masks.guessed, np.arange(24) % 2 == 1)
    assert masks.mask(0, 72, 96)[:36].all()


def test_masks_and_pictures_of_bgr_are_those_of_rgb(images: Config) -> None:
    """The search for a lesion weighs colours, and a person looks at the pictures."""
    found = []
    for order in ("rgb", "bgr"):
        images.data.test.data_source.channel_order = order
        dataset = build_dataset(images.data.test)
        masks = LesionMasks(**find_masks(dataset.data_source, images, find_lesion))
        sheet = mask_sheet(dataset.data_source, masks, [0, 1], 0)
        found.append((masks.packed, sheet, seen_pixels(dataset[1]["img"], dataset, images)))
    for rgb, bgr in zip(*found, strict=True):
        np.testing.assert_array_equal(rgb, bgr)


def skin_image(colour: tuple[int, int, int], mark: bool, seed: int) -> NDArray[np.uint8]:
    """Skin with a lesion of a colour and, where there is a mark, a blue corner."""
    rng = np.random.default_rng(seed)
    inside = np.zeros((72, 96), np.uint8)
    centre = (int(rng.integers(44, 53)), int(rng.integers(32, 41)))
    cv2.ellipse(inside, centre, (16, 12), float(rng.integers(0, 90)), 0, 360, 1, -1)
    pixels = np.where(inside[..., None] > 0, colour, SKIN) + rng.normal(0, 3, (72, 96, 3))
    if mark:
        pixels[:5, :8] = BLUE
    return pixels.clip(0, 255).astype(np.uint8)


@pytest.fixture
def images(tmp_path: Path) -> Config:
    """A data set of two classes that both the lesion's colour and a mark in the corner tell."""
    lines = []
    for n in range(24):
        label = n % 2
        Image.fromarray(skin_image(RED if label else BROWN, bool(label), n)).save(
            tmp_path / f"{n}.png"
        )
        lines.append(f"{n}.png {label}\n")
    (tmp_path / "list.txt").write_text("".join(lines))
    rows = "".join(f"{n},HAM_{n // 2}\n" for n in range(24))  # two images a lesion
    (tmp_path / "meta.csv").write_text("image,lesion_id\n" + rows)
    source = dict(
        type="ImageList",
        data_prefix=str(tmp_path),
        ann_file=str(tmp_path / "list.txt"),
        metadata=str(tmp_path / "meta.csv"),
        classes=["brown", "red"],
    )
    norm = dict(type="Normalize", mean=[0.5] * 3, std=[0.25] * 3)
    data = dict(
        type="SingleViewDataset", data_source=source, pipeline=[dict(type="ToTensor"), norm]
    )
    return Config(dict(data=dict(samples_per_gpu=5, workers_per_gpu=0, test=data)))


class Looker(nn.Module):
    """A classifier that uses one place of the image, and one colour there."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place

    def forward(self, img: Tensor, mode: str, **kwargs: Any) -> dict[str, Tensor]:
        assert mode == "test"
        if self.place == "corner":  # blue and not skin
            evidence = (img[:, 2] - img[:, 0])[:, :4, :6].mean(dim=(1, 2))
        else:  # red and not brown
            evidence = (img[:, 0] - img[:, 1])[:, 30:42, 42:54].mean(dim=(1, 2)) - 1.1
        return {"head0": torch.stack((-evidence, evidence), dim=1)}


@pytest.mark.parametrize(("place", "hidden", "alone"), [("corner", 1.0, 0.5), ("lesion", 0.5, 1.0)])
def test_who_looks_at_the_lesion_loses_without_it_and_no_one_else(
    images: Config, place: str, hidden: float, alone: float
) -> None:
    dataset = build_dataset(images.data.test)
    masks = LesionMasks(**find_masks(dataset.data_source, images, find_lesion))
    scores = {
        view: view_scores(Looker(place), dataset, images, masks, view, DARK)["scores"]
        for view in VIEWS
    }
    found = measure_occlusion(scores, dataset, masks, dict(bootstrap=1000))
    accuracy = {view: score.accuracy for view, score in found.views.items()}
    assert accuracy == {AS_IS: 1.0, HIDDEN: hidden, ONLY: alone}
    assert {v: s.balanced_accuracy for v, s in found.views.items()} == accuracy
    assert (found.chance, found.majority, found.num_images) == (0.5, 0.5, 24)
    assert found.guessed == 0
    assert found.by_lesion
    assert 0.1 < found.covered < 0.3
    assert found.views[AS_IS].accuracy_low == 1.0
    assert not isinstance(dataset.data_source, HidingSource)  # as it was


def test_several_heads_are_refused(images: Config) -> None:
    class Two(Looker):
        def forward(self, img: Tensor, mode: str, **kwargs: Any) -> dict[str, Tensor]:
            scores = super().forward(img, mode)["head0"]
            return {"head3": scores, "head4": scores}

    dataset = build_dataset(images.data.test)
    masks = LesionMasks(np.zeros((24, 4608), np.uint8), np.ones(24, bool))
    with pytest.raises(UserError, match=r"heads head3, head4: take one with one head"):
        view_scores(Two("lesion"), dataset, images, masks, AS_IS, DARK)


def test_intervals_are_drawn_by_lesion_and_hold_the_value(images: Config) -> None:
    dataset = build_dataset(images.data.test)
    masks = LesionMasks(np.zeros((24, 4608), np.uint8), np.ones(24, bool))
    scores = np.zeros((24, 2))
    scores[np.arange(24), dataset.gt_labels ^ (np.arange(24) % 8 < 2)] = 1  # of lesions 0, 4, 8 ...
    found = measure_occlusion(
        dict.fromkeys(VIEWS, scores), dataset, masks, dict(bootstrap=1000, topk=(1, 5))
    )
    view = found.views[HIDDEN]
    assert view.accuracy == 0.75
    assert view.accuracy_low < 0.75 < view.accuracy_high
    # 12 lesions, both images of each right or wrong: the spread of 12 draws, not of 24
    half = (view.accuracy_high - view.accuracy_low) / 2
    assert half == pytest.approx(1.96 * np.sqrt(0.75 * 0.25 / 12), rel=0.25)
    assert found.guessed == 24
    assert found.covered == 0


def test_masks_come_back_in_the_shape_of_the_image() -> None:
    square = np.zeros((192, 192), np.uint8)
    square[48:144, 96:] = 1
    masks = LesionMasks(np.packbits(square)[None], np.array([False]))
    mask = masks.mask(0, 100, 300)
    expected = np.zeros((100, 300), bool)
    expected[25:75, 150:] = True
    np.testing.assert_array_equal(mask, expected)
    assert masks.fractions() == pytest.approx([0.25])


def test_a_network_sees_what_its_pipeline_gives(images: Config, tmp_path: Path) -> None:
    dataset = build_dataset(images.data.test)
    seen = seen_pixels(dataset[3]["img"], dataset, images)
    np.testing.assert_array_equal(seen, np.asarray(Image.open(tmp_path / "3.png")))
    fast = Config(
        dict(prefetch=True, img_norm_cfg=dict(mean=[0.5] * 3, std=[0.25] * 3), data=images.data)
    )
    dataset.pipeline.transforms = []
    np.testing.assert_array_equal(
        seen_pixels((torch.tensor(seen).permute(2, 0, 1) / 255 - 0.5) / 0.25, dataset, fast), seen
    )
