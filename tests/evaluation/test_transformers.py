"""Vision transformers of mmcls and our own in the evaluation of features: k-NN, Grad-CAM, ..."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from mmselfsup.evaluation.collapse import project, see_views
from mmselfsup.evaluation.features import LabelledFeatures
from mmselfsup.evaluation.grad_cam import fine_maps, heat_maps
from mmselfsup.evaluation.knn import evaluate_knn
from mmselfsup.evaluation.linear_probe import probe_scores
from mmselfsup.evaluation.tsne import embed
from mmselfsup.models import build_algorithm
from mmselfsup.models.utils import ExtractProcess, pooled, spatial_map
from mmselfsup.utils.errors import ArgumentError, UserError

VIT: dict[str, Any] = dict(
    type="mmcls.VisionTransformer",
    arch=dict(embed_dims=24, num_layers=3, num_heads=2, feedforward_channels=48),
    img_size=32,
    patch_size=8,
)
PATCHES: dict[str, Any] = dict(VIT, with_cls_token=False, output_cls_token=False)
SWIN: dict[str, Any] = dict(
    type="mmcls.SwinTransformer",
    arch=dict(embed_dims=12, depths=[2, 2], num_heads=[2, 2]),
    img_size=64,
    window_size=4,
    out_indices=(1,),
)
BACKBONES = {"vit": VIT, "vit_maps": dict(VIT, output_cls_token=False), "patches": PATCHES}
BACKBONES |= {"own": dict(VIT, type="VisionTransformer")}
BACKBONES |= {"own_patches": dict(PATCHES, type="VisionTransformer")}
BACKBONES |= {"swin": SWIN, "last_two": dict(VIT, out_indices=[1, 2])}


def classifier(backbone: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    has_token = backbone.get("output_cls_token", "Vision" in backbone["type"])
    head = dict(type="ClsHead", in_channels=24, num_classes=3)
    head |= dict(vit_backbone=True) if has_token else dict(with_avg_pool=True)
    config = dict(type="Classification", backbone=backbone, head=head)
    model = build_algorithm(copy.deepcopy(config)).eval()
    nn.init.normal_(model.head.fc_cls.weight)
    return model


def images_of(backbone: dict[str, Any], num: int = 2) -> Tensor:
    side = backbone["img_size"]
    return torch.randn(num, 3, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", BACKBONES)
@torch.no_grad()
def test_the_last_stage_has_a_map_and_a_vector(name: str) -> None:
    backbone = BACKBONES[name]
    last = classifier(backbone).extract_feat(images_of(backbone))[-1]
    maps = spatial_map(last)
    # Swin: patches of 4 pixels, joined 2 x 2 before the second stage
    assert maps.shape == ((2, 24, 8, 8) if name == "swin" else (2, 24, 4, 4))
    expected = last[1] if isinstance(last, list) else maps.mean(dim=(2, 3))
    torch.testing.assert_close(pooled(last), expected)


def test_tokens_are_a_map_row_by_row_with_or_without_class_token() -> None:
    maps = torch.rand(2, 5, 3, 3)
    places = torch.stack([maps[:, :, i // 3, i % 3] for i in range(9)], dim=1)  # [2, 9, 5]
    token = torch.rand(2, 1, 5)
    with_token = torch.cat((token, places), dim=1)
    assert torch.equal(spatial_map(places), maps)
    assert torch.equal(spatial_map(with_token), maps)
    torch.testing.assert_close(pooled(places), maps.mean(dim=(2, 3)))
    assert torch.equal(pooled(with_token), token[:, 0])
    assert spatial_map(places[:, :1]).shape == (2, 5, 1, 1)  # a single place
    assert spatial_map(places[:, :2]).shape == (2, 5, 1, 1)  # a class token and a single place


def test_features_without_places_have_no_map() -> None:
    with pytest.raises(ArgumentError, match="no map and no tokens"):
        spatial_map(torch.rand(2, 5))
    assert pooled(torch.rand(2, 5)).shape == (2, 5)
    for function in (spatial_map, pooled):
        with pytest.raises(ArgumentError, match="12 tokens fill no square"):
            function(torch.rand(2, 12, 5))


class Images(Dataset[dict[str, Any]]):
    """Images [3, side, side] of three classes, of another colour each."""

    def __init__(self, side: int) -> None:
        generator = torch.Generator().manual_seed(2)
        self.gt_labels = np.arange(18) % 3
        self.img = torch.randn(18, 3, side, side, generator=generator) / 4
        self.img[torch.arange(18), self.gt_labels] += 2

    def __len__(self) -> int:
        return len(self.img)

    def __getitem__(self, idx: int) -> dict[str, Any]:
        return {"img": self.img[idx]}


@pytest.mark.parametrize("name", BACKBONES)
def test_features_of_a_data_set_are_evaluated(name: str) -> None:
    backbone = BACKBONES[name]
    model, data = classifier(backbone), Images(backbone["img_size"])
    found = ExtractProcess().extract(model, DataLoader(data, batch_size=5))["feat"]
    with torch.no_grad():
        last = model.extract_feat(data.img)[-1]
    np.testing.assert_allclose(found, pooled(last).numpy(), rtol=1e-4, atol=1e-5)
    features = LabelledFeatures(found[:12], data.gt_labels[:12], found[12:], data.gt_labels[12:])
    assert evaluate_knn(features, [3])[3]["balanced_accuracy"] == 1
    assert (probe_scores(features).argmax(axis=1) == features.test_labels).all()
    assert embed(found).shape == (18, 2)


@pytest.mark.parametrize("name", BACKBONES)
@torch.no_grad()
def test_two_views_are_measured(name: str) -> None:
    backbone = BACKBONES[name]
    model, views = classifier(backbone), images_of(backbone, 4).chunk(2)
    vectors = [pooled(model.extract_feat(view)[-1]) for view in views]
    unit = [vector / vector.norm(dim=1, keepdim=True) for vector in vectors]
    aligned, projections = see_views(model, (views[0], views[1]))
    assert aligned == pytest.approx(float((unit[0] - unit[1]).square().sum(dim=1).mean()), rel=1e-4)
    assert projections is None


def test_the_projector_gets_the_class_token() -> None:
    torch.manual_seed(0)
    neck = dict(
        type="NonLinearNeck", in_channels=24, hid_channels=8, out_channels=6,
        vit_backbone=True, with_avg_pool=False, norm_cfg=dict(type="BN1d"),
    )  # fmt: skip
    head = dict(type="ContrastiveHead")
    config = dict(type="SimCLR", backbone=VIT, neck=neck, head=head)
    model = build_algorithm(copy.deepcopy(config)).eval()
    views = images_of(VIT, 4).chunk(2)
    with torch.no_grad():
        tokens = torch.cat([model.extract_feat(view)[-1][1] for view in views])  # [4, 24]
        projections = see_views(model, (views[0], views[1]))[1]
        torch.testing.assert_close(projections, model.neck([[None, tokens]])[0])
        half = project(model, [[torch.zeros(4, 24, 4, 4).bfloat16(), tokens.bfloat16()]])
    torch.testing.assert_close(half, projections, rtol=0.05, atol=0.05)  # computed in float32


def slow_heat(model: Any, image: Tensor, label: int) -> Tensor:
    """Return the map of one image from the steps of mmcls's forward pass, written out."""
    net = model.backbone
    tokens = net.patch_embed(image[None])[0]  # [1, 16, 24]
    if net.with_cls_token:
        tokens = torch.cat((net.cls_token, tokens), dim=1) + net.pos_embed
    else:
        tokens = tokens + net.pos_embed[:, 1:]
    for layer in net.layers[:-1]:
        tokens = layer(tokens)
    at = tokens.detach().requires_grad_()
    token = net.norm1(net.layers[-1](at))[:, 0]
    score = (token @ model.head.fc_cls.weight.T + model.head.fc_cls.bias)[0, label]
    (slope,) = torch.autograd.grad(score, at)
    alpha = slope[0, 1:].mean(dim=0)  # [24]
    return (at[0, 1:] * alpha).sum(dim=1).relu().detach().view(4, 4)


def test_heat_of_a_class_token_is_that_of_the_last_layers_input() -> None:
    model, img, classes = classifier(VIT), images_of(VIT, 3), torch.tensor([1, 2, 0])
    model.requires_grad_(False)  # a frozen backbone
    expected = torch.stack([slow_heat(model, x, int(c)) for x, c in zip(img, classes, strict=True)])
    assert (expected > 0).any()
    found = heat_maps(model, img, classes)
    torch.testing.assert_close(found, expected)
    assert not model.backbone.layers[-1]._forward_pre_hooks  # nothing is left behind


@pytest.mark.parametrize("name", BACKBONES)
def test_every_transformer_has_heat_maps(name: str) -> None:
    backbone = dict(BACKBONES[name])
    if name == "last_two":
        backbone["out_indices"] = [1]  # a head takes one stage, here not the last layer's
    model, img = classifier(backbone), images_of(backbone)
    classes = torch.tensor([1, 2])
    found, places = fine_maps(lambda part: heat_maps(model, part, classes), img)
    assert places == ([8, 8] if name == "swin" else [4, 4])
    assert found.shape == img[:, 0].shape
    assert (found >= 0).all()
    assert found.any()
    last = model.extract_feat(img)[-1]
    if isinstance(last, Tensor):  # behind a mean over the places the map is that of the formula
        weight = model.head.fc_cls.weight[classes] / last[0, 0].numel()
        expected = torch.einsum("nkhw,nk->nhw", last, weight).clamp(min=0)
        torch.testing.assert_close(heat_maps(model, img, classes), expected)


def test_images_that_are_no_square_have_heat_maps() -> None:
    model = classifier(VIT)
    img = torch.randn(2, 3, 32, 48, generator=torch.Generator().manual_seed(1))
    assert heat_maps(model, img, torch.tensor([0, 1])).shape == (2, 4, 6)


def test_tokens_without_layers_have_no_heat_maps() -> None:
    class Tokens(nn.Module):
        backbone = nn.Identity()

        def extract_feat(self, img: Tensor) -> list[Tensor]:
            return [img.flatten(2)]

    with pytest.raises(UserError, match=r"Identity gives no map \[N, K, h, w\]"):
        heat_maps(Tokens(), torch.ones(1, 3, 2, 2), torch.tensor([0]))
