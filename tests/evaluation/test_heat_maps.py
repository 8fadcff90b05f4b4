"""Heat maps: the formula, known networks, finer maps, which images are shown."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mmselfsup.evaluation.grad_cam import fine_maps, grad_cam, heat_maps
from mmselfsup.evaluation.heat_map_cases import choose_cases, heat_over
from mmselfsup.models import build_algorithm
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.patients import WIDTH


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


def test_a_head_that_takes_the_patient_gets_it() -> None:
    torch.manual_seed(0)
    head = dict(CLASSIFIER["head"], type="MetadataClsHead")
    model: Any = build_algorithm(copy.deepcopy(dict(CLASSIFIER, head=head))).eval()
    img, classes, patient = torch.randn(2, 3, 64, 64), torch.tensor([1, 2]), torch.rand(2, WIDTH)
    last = model.extract_feat(img)[-1]
    expected = slow_grad_cam(
        last, lambda a: model.head([a], patient[:1].expand(len(a), -1))[0], classes
    )
    found = heat_maps(model, img, classes, patient)
    torch.testing.assert_close(found[0], expected[0])
    assert found.shape == (2, 2, 2)


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
