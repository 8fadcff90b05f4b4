"""Conversion of a ResNet to the names of torchvision and detectron2."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from mmselfsup.core.checkpoint import extract_backbone
from mmselfsup.core.checkpoint.detectron2 import convert_to_detectron2
from mmselfsup.models import build_algorithm
from mmselfsup.utils.errors import UserError

NORM = ("weight", "bias", "running_mean", "running_var")
BLOCKS = (3, 4, 6, 3)
MODEL = dict(
    type="MoCo",
    queue_len=16,
    feat_dim=4,
    backbone=dict(type="ResNet", depth=50, norm_cfg=dict(type="BN")),
    neck=dict(type="MoCoV2Neck", in_channels=2048, hid_channels=4, out_channels=4),
    head=dict(type="ContrastiveHead"),
)


def names_of_detectron2() -> set[str]:
    """The weights of its ResNet-50: each convolution has its normalisation."""
    convs = ["stem.conv1"]
    for stage, blocks in enumerate(BLOCKS, 2):
        convs += [f"res{stage}.{b}.conv{i}" for b in range(blocks) for i in (1, 2, 3)]
        convs.append(f"res{stage}.0.shortcut")
    names = {f"{conv}.weight" for conv in convs}
    return names | {f"{conv}.norm.{kind}" for conv in convs for kind in NORM}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("moco") / "epoch_1.pth"
    torch.manual_seed(0)
    torch.save({"state_dict": build_algorithm(MODEL).state_dict(), "meta": {}}, path)
    return path


def test_backbone_loads_into_torchvision(checkpoint: Path, tmp_path: Path) -> None:
    extract_backbone(str(checkpoint), str(tmp_path / "backbone.pth"))
    weights = torch.load(tmp_path / "backbone.pth", weights_only=True)["state_dict"]
    left = torchvision.models.resnet50(weights=None).load_state_dict(weights, strict=False)
    assert left.missing_keys == ["fc.weight", "fc.bias"]
    assert left.unexpected_keys == []


@pytest.mark.parametrize("alone", [False, True])
def test_names_and_values_of_detectron2(checkpoint: Path, tmp_path: Path, alone: bool) -> None:
    source = checkpoint
    if alone:
        source = tmp_path / "backbone.pth"
        extract_backbone(str(checkpoint), str(source))
    output = tmp_path / "d2.pkl"
    number = convert_to_detectron2(str(source), str(output))
    content = pickle.loads(output.read_bytes())
    model = content["model"]
    assert set(model) == names_of_detectron2()
    assert len(model) == number == 53 * 5
    assert content["matching_heuristics"] is True
    own = torch.load(checkpoint, weights_only=True)["state_dict"]
    for name, own_name in (
        ("stem.conv1.norm.bias", "backbone.bn1.bias"),
        ("res4.5.conv3.weight", "backbone.layer3.5.conv3.weight"),
        ("res5.0.conv2.norm.running_var", "backbone.layer4.0.bn2.running_var"),
        ("res2.0.shortcut.weight", "backbone.layer1.0.downsample.0.weight"),
        ("res3.0.shortcut.norm.weight", "backbone.layer2.0.downsample.1.weight"),
    ):
        np.testing.assert_array_equal(model[name], own[own_name].numpy())


def test_what_can_not_be_converted(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"name a \.pkl file"):
        convert_to_detectron2(str(checkpoint), str(tmp_path / "d2.pth"))
    torch.save({"state_dict": {"backbone.patch_embed.w": torch.ones(1)}}, tmp_path / "vit.pth")
    with pytest.raises(UserError, match=r"'patch_embed\.w' is no weight of a ResNet"):
        convert_to_detectron2(str(tmp_path / "vit.pth"), str(tmp_path / "d2.pkl"))
