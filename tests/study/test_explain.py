"""Explanations of classifiers: heat maps, which images, hiding lesions, what the report says."""

import copy
import re
from dataclasses import asdict, replace
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
from mmselfsup.models import build_algorithm
from mmselfsup.study.explain.choose import choose_cases
from mmselfsup.study.explain.files import (
    AS_IS,
    HIDDEN,
    ONLY,
    VIEWS,
    Blackout,
    Case,
    Explanation,
    ViewScore,
    read_explanation,
    write_explanation,
)
from mmselfsup.study.explain.fine_maps import fine_maps
from mmselfsup.study.explain.grad_cam import grad_cam, heat_maps
from mmselfsup.study.explain.hide import HidingSource, hide
from mmselfsup.study.explain.kept import kept
from mmselfsup.study.explain.masks import LesionMasks, find_masks
from mmselfsup.study.explain.measure import blackout, view_scores
from mmselfsup.study.explain.pictures import heat_over, seen_pixels
from mmselfsup.study.explain.reading import reading
from mmselfsup.study.report import write_report
from mmselfsup.study.results import read_results
from mmselfsup.utils.errors import UserError

SKIN, BROWN, RED, BLUE = (224, 178, 160), (92, 52, 40), (150, 40, 44), (60, 80, 200)


# --- heat maps


def slow_grad_cam(maps: Tensor, classify: Any, classes: Tensor) -> Tensor:
    """Equations 1 and 2 image by image, channel by channel, place by place."""
    result = torch.zeros(len(maps), *maps.shape[2:])
    for n, label in enumerate(classes.tolist()):
        image = maps[n : n + 1].clone().requires_grad_()
        (slope,) = torch.autograd.grad(classify(image)[0, label], image)
        for k in range(maps.shape[1]):
            alpha, places = 0.0, maps.shape[2] * maps.shape[3]
            for i in range(maps.shape[2]):
                for j in range(maps.shape[3]):
                    alpha += float(slope[0, k, i, j]) / places
            result[n] += alpha * maps[n, k]
    return result.clamp(min=0)


def test_heat_maps_are_those_of_the_formula() -> None:
    torch.manual_seed(0)
    head = nn.Sequential(nn.Conv2d(5, 6, 2), nn.Tanh(), nn.Flatten(), nn.Linear(36, 4))
    maps, classes = torch.randn(3, 5, 3, 4), torch.tensor([2, 0, 3])
    expected = slow_grad_cam(maps, head, classes)
    assert (expected > 0).any()
    torch.testing.assert_close(grad_cam(maps, head, classes), expected)
    assert all(weight.grad is None for weight in head.parameters())


def test_a_known_network_has_the_known_map() -> None:
    maps = torch.tensor([[[[0.0, 4.0], [0.0, 0.0]], [[0.0, 0.0], [8.0, 0.0]]]])  # [1, 2, 2, 2]
    weights = torch.tensor([[1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])  # [C, K], behind a mean

    def classify(a: Tensor) -> Tensor:
        return a.mean(dim=(2, 3)) @ weights.T

    found = [grad_cam(maps, classify, torch.tensor([c]))[0] for c in range(3)]
    torch.testing.assert_close(found[0], torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
    torch.testing.assert_close(found[1], torch.tensor([[0.0, 0.0], [2.0, 0.0]]))
    assert not found[2].any()  # nothing speaks for it


def test_a_head_that_ignores_the_maps_is_told() -> None:
    with pytest.raises(UserError, match="does not use the last map"):
        grad_cam(torch.ones(1, 2, 3, 3), lambda a: torch.ones(1, 2), torch.tensor([0]))


CLASSIFIER = dict(
    type="Classification",
    backbone=dict(
        type="ResNet", depth=18, stem_channels=8, base_channels=8, out_indices=[4], frozen_stages=4
    ),
    head=dict(type="ClsHead", with_avg_pool=True, in_channels=64, num_classes=3),
)


def test_a_frozen_classifier_has_the_map_of_its_last_stage() -> None:
    torch.manual_seed(0)
    model: Any = build_algorithm(copy.deepcopy(CLASSIFIER)).eval()
    nn.init.normal_(model.head.fc_cls.weight)
    img, classes = torch.randn(2, 3, 64, 96), torch.tensor([1, 2])
    found = heat_maps(model, img, classes)
    last = model.extract_feat(img)[-1]
    expected = torch.einsum("nkhw,nk->nhw", last, model.head.fc_cls.weight[classes]) / 6
    assert found.shape == (2, 2, 3)
    torch.testing.assert_close(found, expected.clamp(min=0))


def test_a_network_without_maps_is_told() -> None:
    class Tokens(nn.Module):
        backbone = nn.Identity()

        def extract_feat(self, img: Tensor) -> list[Tensor]:
            return [img.flatten(1)]

    with pytest.raises(UserError, match=r"Identity gives no map \[N, K, h, w\]"):
        heat_maps(Tokens(), torch.ones(1, 3, 2, 2), torch.tensor([0]))


def pooled(img: Tensor) -> Tensor:
    """A network that sees brightness in squares of 16 pixels, and weighs one corner double."""
    squares = nn.functional.avg_pool2d(img[:, 0], 16)
    squares[:, -1, -1] *= 2
    return squares


def test_fine_maps_show_a_spot_where_it_is_between_the_places() -> None:
    img = torch.zeros(2, 3, 64, 96)
    img[0, :, 28:32, 42:46] = 1
    img[1, :, 10:14, 60:64] = 1
    found, places = fine_maps(pooled, img)
    assert places == [4, 6]
    assert found.shape == (2, 64, 96)
    for heat, (row, column) in zip(found, ((29.5, 43.5), (11.5, 61.5)), strict=True):
        down, across = torch.meshgrid(torch.arange(64.0), torch.arange(96.0), indexing="ij")
        assert float((heat * down).sum() / heat.sum()) == pytest.approx(row, abs=1.5)
        assert float((heat * across).sum() / heat.sum()) == pytest.approx(column, abs=1.5)
        assert heat[round(row), round(column)] > 0.9 * heat.max()


def test_fine_maps_of_mirrored_images_are_mirrored() -> None:
    img = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    found, _ = fine_maps(pooled, img)
    mirrored, _ = fine_maps(pooled, img.flip(3))
    torch.testing.assert_close(mirrored, found.flip(2))
    assert not torch.allclose(pooled(img.flip(3)), pooled(img).flip(2))


def test_the_hottest_place_is_yellow_and_the_coldest_untouched() -> None:
    heat = np.zeros((5, 5), np.float32)
    heat[2, 2] = 1e-3
    pixels = np.full((55, 55, 3), 100, np.uint8)
    over = heat_over(pixels, heat)
    assert (over[:5, :5] == 100).all()
    red, green, blue = (int(c) for c in over[27, 27])
    assert red > 180
    assert green > 170
    assert blue < 70
    np.testing.assert_array_equal(heat_over(pixels, 0 * heat), pixels)


# --- which images


def test_cases_are_right_ones_then_wrong_ones_of_many_classes() -> None:
    labels = np.repeat([0, 1, 2, 3, 4], [60, 20, 9, 6, 5])
    predicted = labels.copy()
    predicted[::3] = (labels[::3] + 1) % 5
    cases = choose_cases(labels, predicted, 0)
    right, wrong = cases[:4], cases[4:]
    assert all(labels[i] == predicted[i] for i in right)
    assert len(wrong) == 4
    assert all(labels[i] != predicted[i] for i in wrong)
    for kind in (right, wrong):
        classes = [int(labels[i]) for i in kind]
        assert classes == sorted(set(classes))  # four different ones
    assert cases == choose_cases(labels, predicted, 0)
    assert cases != choose_cases(labels, predicted, 1)


def test_few_classes_and_few_errors_give_what_there_is() -> None:
    labels = np.array([0, 0, 0, 0, 0, 1])
    predicted = np.array([0, 0, 0, 0, 1, 1])
    cases = choose_cases(labels, predicted, 0)
    assert labels[cases].tolist() == [0, 0, 0, 1, 0]
    assert cases[-1] == 4


# --- hiding


def test_what_is_hidden_gets_the_colour_of_the_skin() -> None:
    pixels = np.full((40, 60, 3), SKIN, np.uint8)
    pixels[:10] = 5  # a dark border of the field of view, no skin
    lesion = np.zeros((40, 60), bool)
    lesion[15:35, 10:30] = True
    pixels[lesion] = BROWN
    before = pixels.copy()
    hidden, alone = hide(pixels, lesion, HIDDEN), hide(pixels, lesion, ONLY)
    assert (hidden[lesion] == SKIN).all()
    np.testing.assert_array_equal(hidden[~lesion], before[~lesion])
    assert (alone[~lesion] == SKIN).all()
    np.testing.assert_array_equal(alone[lesion], before[lesion])
    np.testing.assert_array_equal(hide(pixels, lesion, AS_IS), before)
    np.testing.assert_array_equal(pixels, before)


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
    """A classifier that looks at one place of the image, and at one colour there."""

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
    masks = LesionMasks(**find_masks(dataset.data_source, images))
    scores = {
        view: view_scores(Looker(place), dataset, images, masks, view)["scores"] for view in VIEWS
    }
    found = blackout(scores, dataset, images, masks)
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
        view_scores(Two("lesion"), dataset, images, masks, AS_IS)


def test_intervals_are_drawn_by_lesion_and_hold_the_value(images: Config) -> None:
    dataset = build_dataset(images.data.test)
    masks = LesionMasks(np.zeros((24, 4608), np.uint8), np.ones(24, bool))
    scores = np.zeros((24, 2))
    scores[np.arange(24), dataset.gt_labels ^ (np.arange(24) % 8 < 2)] = 1  # of lesions 0, 4, 8 ...
    found = blackout(dict.fromkeys(VIEWS, scores), dataset, images, masks)
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
    assert masks.shares() == pytest.approx([0.25])


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


# --- files


def test_arrays_are_made_once_for_an_origin(tmp_path: Path) -> None:
    made = []

    def make() -> dict[str, NDArray[Any]]:
        made.append(1)
        return {"a": np.arange(3)}

    for origin, count in (({"x": "1"}, 1), ({"x": "1"}, 1), ({"x": "2"}, 2)):
        np.testing.assert_array_equal(kept(tmp_path / "a.npz", origin, make)["a"], np.arange(3))
        assert len(made) == count
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:-30])
    assert set(kept(tmp_path / "a.npz", {"x": "2"}, make)) == {"a"}
    assert len(made) == 3


def view(value: float, half: float = 0.05) -> ViewScore:
    return ViewScore(value, value - half, value + half, value, value - half, value + half)


NUMBERS = Blackout(
    {AS_IS: view(0.525), HIDDEN: view(0.225), ONLY: view(0.425)}, 0.125, 0.5, 400, 20, 0.25, True
)


@pytest.mark.parametrize(
    ("whole", "hidden", "words"),
    [
        (0.525, 0.225, "SimCLR keeps 25% of its lead over chance with the lesion hidden"),
        (0.525, 0.17, "no longer surely better than chance"),
        (0.17, 0.17, "hiding tells nothing"),
    ],
)
def test_the_reading_says_what_the_intervals_allow(whole: float, hidden: float, words: str) -> None:
    views = {**NUMBERS.views, AS_IS: view(whole), HIDDEN: view(hidden)}
    text = reading("SimCLR", replace(NUMBERS, views=views))
    assert words in text
    assert ("From the lesion alone it has 75% of the lead." in text) == (whole > 0.2)


def make_explanation(folder: Path, no_heat: str = "") -> Explanation:
    """Write an explanation with a right and a wrong image; a picture of the latter is missing."""
    heat = None if no_heat else "h.webp"
    cases = [
        Case("a.jpg", 1, 1, 0.75, 0.75, "p.webp", heat),
        Case("b.jpg", 0, 1, 0.5, 0.25, "gone.webp", heat),
    ]
    places = [] if no_heat else [2, 3]
    found = Explanation(["MEL", "<NV>"], 0, NUMBERS, cases, places, no_heat)
    write_explanation(folder, found)
    (folder / "pictures").mkdir(parents=True)
    for name in ("pictures/p.webp", "pictures/h.webp", "masks.webp"):
        Image.new("RGB", (8, 8)).save(folder / name)
    return found


def test_an_explanation_comes_back_as_it_was(tmp_path: Path) -> None:
    assert read_explanation(tmp_path) is None
    made = make_explanation(tmp_path)
    assert read_explanation(tmp_path) == made


def test_a_damaged_explanation_is_told(finished_study: Path) -> None:
    folder = finished_study / "finetune" / "simclr" / "explain"
    make_explanation(folder)
    text = (folder / "explain.json").read_text()
    for broken in (text[:-40], text.replace('"chance"', '"luck"'), "[]"):
        (folder / "explain.json").write_text(broken)
        with pytest.raises(UserError, match=r"explain: can't read this.*delete the folder"):
            write_report(finished_study)


def test_results_carry_the_numbers_and_old_ones_have_none(finished_study: Path) -> None:
    path = finished_study / "results.json"
    results = read_results(path)
    assert [run.blackout for run in results.runs] == [None, None]
    runs = [replace(run, blackout=NUMBERS) for run in results.runs]
    replace(results, runs=runs).write(path)
    assert read_results(path).runs == runs
    path.write_text(path.read_text().replace('"covered"', '"coloured"'))
    with pytest.raises(UserError, match=r"no results\.json"):
        read_results(path)
    assert asdict(NUMBERS)["views"][HIDDEN]["accuracy"] == 0.225


def test_the_report_shows_numbers_masks_and_heat_maps(finished_study: Path) -> None:
    for arm in ("scratch", "simclr"):
        make_explanation(finished_study / "finetune" / arm / "explain")
    html = write_report(finished_study).read_text(encoding="utf-8")
    section = html[html.index('<section class="explain">') :]
    section = section[: section.index("</section>")]
    assert section.count("keeps 25% of its lead") == 2
    assert "From scratch keeps" in section
    assert section.count("lesion hidden</th>") == 2
    assert section.count("0.225 <small>0.17–0.28</small>") + section.count("0.225 <small>0.18") == 4
    assert re.search(r"without looking</th><td>0\.125</td><td>0\.500</td>", section)
    assert "20 of 400" in section
    assert section.count("data:image/webp;base64,") == 1 + 2 * 3  # masks once; one picture is gone
    assert section.count("The last stage has 2 × 3 places") == 2
    assert section.count('class="case right"') == section.count('class="case wrong"') == 2
    assert "&lt;NV&gt;</b> 0.50, MEL 0.25" in section
    assert "<NV>" not in html
    assert not re.search(r'(src|href)="(?!data:|#)', section)


def test_the_report_says_why_there_are_no_heat_maps(finished_study: Path) -> None:
    folder = finished_study / "finetune" / "simclr" / "explain"
    make_explanation(folder, "the last stage gives no map")
    html = write_report(finished_study).read_text(encoding="utf-8")
    assert "the last stage gives no map." in html
    assert html.count('class="case right"') == 1


def test_without_an_explanation_the_report_has_none(finished_study: Path) -> None:
    assert "explain" not in write_report(finished_study).read_text(encoding="utf-8")
