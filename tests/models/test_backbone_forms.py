"""Necks and heads take what any backbone gives: maps, maps with a class token, tokens, vectors."""

from typing import Any

import pytest
import torch
from torch import Tensor

from mmselfsup.models import build_algorithm
from mmselfsup.models.builder import build_head, build_neck
from mmselfsup.models.utils import whole_image
from mmselfsup.utils.errors import ArgumentError

N, C, SIDE = 3, 8, 4
MAP = torch.randn(N, C, SIDE, SIDE)
TOKEN = torch.randn(N, C)
TOKENS = MAP.flatten(2).transpose(1, 2)  # [N, 16, C]
MEAN = MAP.mean((2, 3))
FORMS: dict[str, tuple[Any, Tensor]] = {
    "map": ([MAP], MEAN),
    "map and class token": ([[MAP, TOKEN]], TOKEN),
    "tokens": ([TOKENS], MEAN),
    "tokens behind a class token": ((torch.cat((TOKEN[:, None], TOKENS), 1),), TOKEN),
    "vector": ([TOKEN], TOKEN),
    "bare vector": (TOKEN, TOKEN),
}
WIDE = dict(in_channels=C, out_channels=5)
PARTS = {
    "ClsHead": dict(in_channels=C, num_classes=5, with_avg_pool=True),
    "LinearNeck": WIDE,
    "MoCoV2Neck": dict(WIDE, hid_channels=6),
    "NonLinearNeck": dict(WIDE, hid_channels=6, norm_cfg=dict(type="BN1d")),
    "ODCNeck": dict(WIDE, hid_channels=6, norm_cfg=dict(type="BN1d")),
    "RelativeLocNeck": dict(in_channels=C // 2, out_channels=5, norm_cfg=dict(type="BN1d")),
    "SwAVNeck": dict(WIDE, hid_channels=6, norm_cfg=dict(type="BN1d")),
}


@pytest.mark.parametrize("form", FORMS)
def test_whole_image(form: str) -> None:
    features, vector = FORMS[form]
    found = whole_image(features, None)
    torch.testing.assert_close(found.mean((2, 3)) if found.ndim == 4 else found, vector)


def test_several_stages_are_refused() -> None:
    with pytest.raises(ArgumentError, match="one stage, got 2"):
        whole_image([MAP, MAP], None)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", PARTS)
def test_parts_take_every_form(kind: str, form: str) -> None:
    """The result is that of the vector itself, with and without pooling of maps."""
    features, vector = FORMS[form]
    build = build_head if kind.endswith("Head") else build_neck
    part = build({"type": kind, **PARTS[kind]}).eval()
    given = [features] if kind == "SwAVNeck" else features
    alone = [[vector]] if kind == "SwAVNeck" else [vector]
    torch.testing.assert_close(part(given)[0], part(alone)[0])


@pytest.mark.parametrize("features", [[MAP], [[MAP, TOKEN]], [TOKENS]])
def test_dense_neck_takes_the_places(features: Any) -> None:
    neck = build_neck(dict(type="DenseCLNeck", hid_channels=6, **WIDE))
    torch.testing.assert_close(neck(features)[1], neck([MAP])[1])


@pytest.mark.parametrize("vit_backbone", [True, False])
def test_vit_of_mmcls_trains_as_it_ships(vit_backbone: bool) -> None:
    vit = dict(
        type="mmcls.VisionTransformer", img_size=32, patch_size=16,
        arch=dict(embed_dims=8, num_layers=1, num_heads=2, feedforward_channels=8),
    )  # fmt: skip
    head = dict(type="ClsHead", in_channels=8, num_classes=2, with_avg_pool=True)
    model = build_algorithm(
        dict(type="Classification", backbone=vit, head=dict(head, vit_backbone=vit_backbone))
    )
    losses = model(img=torch.randn(2, 3, 32, 32), label=torch.tensor([0, 1]))
    assert losses["loss"].isfinite()
