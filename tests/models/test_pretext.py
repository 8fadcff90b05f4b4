"""Relative location and rotation prediction: shapes, labels, and a loop over single images."""

import pytest
import torch
from torch.testing import assert_close

from mmselfsup.models import build_algorithm
from mmselfsup.models.necks import RelativeLocNeck
from mmselfsup.utils.errors import ArgumentError

BACKBONE = {"type": "ResNet", "depth": 18, "stem_channels": 8, "base_channels": 8}
RELATIVE_LOC = {
    "type": "RelativeLoc",
    "backbone": BACKBONE,
    "neck": {"type": "RelativeLocNeck", "in_channels": 64, "out_channels": 16},
    "head": {"type": "ClsHead", "in_channels": 16, "num_classes": 8},
}
ROTATION_PRED = {
    "type": "RotationPred",
    "backbone": BACKBONE,
    "head": {"type": "ClsHead", "with_avg_pool": True, "in_channels": 64, "num_classes": 4},
}
CASES = {
    "RelativeLoc": (RELATIVE_LOC, "patch_label", (3, 8, 6, 24, 24), 8),
    "RotationPred": (ROTATION_PRED, "rot_label", (3, 4, 3, 32, 32), 4),
}


@pytest.fixture(params=CASES)
def case(request):
    """A model, its batch, and the name of its label."""
    cfg, label, shape, classes = CASES[request.param]
    torch.manual_seed(0)
    model = build_algorithm(cfg)
    model.init_weights()
    img = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    return model, img, label, torch.arange(classes).repeat(3, 1)


def test_train_by_position_by_name_and_flat(case):
    model, img, label, labels = case
    model.eval()  # no dropout, no batch statistics
    expected = model(img, **{label: labels})
    assert expected["loss"].requires_grad
    assert expected["acc"].numel() == 1
    for other in (model(img, labels), model(img.flatten(0, 1), labels.flatten())):
        assert_close(other["loss"], expected["loss"])


def test_test_and_extract(case):
    model, img, label, labels = case
    model.eval()
    scores = model(img, mode="test", **{label: labels})
    assert set(scores) == {"head4"}
    assert scores["head4"].shape == (labels.numel(), labels.shape[1])
    assert_close(model(img, mode="test"), scores)
    loss = torch.nn.functional.cross_entropy(scores["head4"], labels.flatten())
    assert_close(model(img, labels)["loss"], loss)
    features = model(torch.rand(2, 3, 32, 32), mode="extract")
    assert features[0].shape[:2] == (2, 64)


def test_labels_are_needed(case):
    model, img, label, _ = case
    with pytest.raises(ArgumentError, match=label):
        model(img)


def test_each_input_needs_a_label(case):
    model, img, _, labels = case
    with pytest.raises(ArgumentError, match=r"a label for each of 24|a label for each of 12"):
        model(img, labels[0])


def test_a_step_counts_images(case):
    model, img, label, labels = case
    out = model.train_step({"img": img, label: labels}, None)
    assert out["num_samples"] == 3
    assert set(out["log_vars"]) == {"loss", "acc"}


@pytest.mark.parametrize(("cfg", "part"), [(RELATIVE_LOC, "neck"), (RELATIVE_LOC, "head")])
def test_parts_are_needed(cfg, part):
    with pytest.raises(ArgumentError, match=f"{part}=None"):
        build_algorithm({**cfg, part: None})
    with pytest.raises(ArgumentError, match="head=None"):
        build_algorithm({**ROTATION_PRED, "head": None})


def test_pairs_one_after_the_other():
    torch.manual_seed(0)
    model = build_algorithm(RELATIVE_LOC).double().eval()
    img = torch.rand(2, 8, 6, 24, 24, dtype=torch.float64)
    slow = []
    for image in img:
        for pair in image:
            h = [model.backbone(pair[i : i + 3][None])[0].mean(dim=(2, 3)) for i in (0, 3)]
            neck = model.neck
            slow.append(model.head.fc_cls(neck.bn(neck.fc(torch.cat(h, dim=1))).relu())[0])
    assert_close(model.score_pairs(img)[0], torch.stack(slow))


def test_neck_without_pooling_and_its_momentum():
    neck = RelativeLocNeck(4, 3, with_avg_pool=False)
    assert neck([torch.rand(5, 8)])[0].shape == (5, 3)
    assert neck.bn.momentum == 0.003
    other = RelativeLocNeck(4, 3, norm_cfg={"type": "BN1d", "momentum": 0.2})
    assert other.bn.momentum == 0.2
