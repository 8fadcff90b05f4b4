"""Necks: shapes, layers, and the order normalisation, ReLU, linear."""

import pytest
import torch

from mmselfsup.models import build_neck


def nonlinear(**kwargs):
    cfg = {"type": "NonLinearNeck", "in_channels": 6, "hid_channels": 5, "out_channels": 4}
    return build_neck({**cfg, "norm_cfg": {"type": "BN1d"}, **kwargs})


def weights(neck):
    return {k: tuple(v.shape) for k, v in neck.state_dict().items() if k.startswith("fc")}


@pytest.mark.parametrize("kind", ["LinearNeck", "NonLinearNeck"])
def test_maps_and_vectors(kind):
    cfg = {"type": kind, "in_channels": 6, "out_channels": 4}
    if kind == "NonLinearNeck":
        cfg["hid_channels"] = 5
    assert build_neck(cfg)([torch.rand(3, 6, 2, 2)])[0].shape == (3, 4)
    assert build_neck({**cfg, "with_avg_pool": False})([torch.rand(3, 6)])[0].shape == (3, 4)


def test_average_pooling():
    x = torch.rand(3, 6, 4, 4)
    assert build_neck({"type": "AvgPool2dNeck"})([x])[0].shape == (3, 6, 1, 1)
    assert build_neck({"type": "AvgPool2dNeck", "output_size": 2})((x,))[0].shape == (3, 6, 2, 2)
    oblong = build_neck({"type": "AvgPool2dNeck", "output_size": (1, 2)})((x,))[0]
    torch.testing.assert_close(oblong, x.unflatten(3, (2, 2)).mean(dim=(2, 4)).unsqueeze(2))


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        ({"num_layers": 1}, {"fc0.weight": (5, 6)}),
        ({}, {"fc0.weight": (5, 6), "fc1.weight": (4, 5)}),
        (
            {"num_layers": 3, "with_bias": True},
            {
                "fc0.weight": (5, 6),
                "fc0.bias": (5,),
                "fc1.weight": (5, 5),
                "fc1.bias": (5,),
                "fc2.weight": (4, 5),
            },
        ),
        ({"with_last_bias": True}, {"fc0.weight": (5, 6), "fc1.weight": (4, 5), "fc1.bias": (4,)}),
    ],
)
def test_linear_layers(kwargs, expected):
    assert weights(nonlinear(**kwargs)) == expected


@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_names_of_the_layers_after_the_first(num_layers):
    neck = nonlinear(num_layers=num_layers)
    assert neck.fc_names == [f"fc{i}" for i in range(1, num_layers)]
    assert neck.bn_names == [f"bn{i}" for i in range(1, num_layers)]
    without = nonlinear(num_layers=num_layers, with_last_bn=False)
    assert without.bn_names == neck.bn_names[:-1]


def test_last_normalisation():
    assert not hasattr(nonlinear(with_last_bn=False), "bn1")
    plain = nonlinear(with_last_bn_affine=False)
    assert plain.bn1.weight is None
    assert plain.bn0.weight is not None


def test_forward_step_by_step():
    neck = nonlinear(num_layers=3).eval()
    x = torch.rand(3, 6, 2, 2)
    h = neck.bn0(neck.fc0(x.mean(dim=(2, 3))))
    h = neck.bn1(neck.fc1(h.relu()))
    h = neck.bn2(neck.fc2(h.relu()))
    assert torch.allclose(neck([x])[0], h, atol=1e-6)


def test_vit_features_give_their_class_token():
    neck = nonlinear(vit_backbone=True, with_avg_pool=False).eval()
    patches, token = torch.rand(3, 6, 2, 2), torch.rand(3, 6)
    plain = nonlinear(with_avg_pool=False).eval()
    plain.load_state_dict(neck.state_dict())
    assert torch.equal(neck([[patches, token]])[0], plain([token])[0])


def test_several_stages_are_refused_with_a_reason():
    for neck in (nonlinear(), build_neck({"type": "AvgPool2dNeck"})):
        with pytest.raises(ValueError, match=f"{type(neck).__name__}.*got 2.*out_indices"):
            neck([torch.rand(3, 6, 2, 2)] * 2)


def test_at_least_one_layer():
    with pytest.raises(ValueError, match="got 0"):
        nonlinear(num_layers=0)


MOCOV2 = {"type": "MoCoV2Neck", "in_channels": 6, "hid_channels": 5, "out_channels": 4}
DENSE = {**MOCOV2, "type": "DenseCLNeck"}


def test_mocov2_neck():
    neck, x = build_neck(MOCOV2), torch.rand(3, 6, 2, 2)
    expected = neck.mlp[2](neck.mlp[0](x.mean(dim=(2, 3))).relu())
    assert torch.allclose(neck([x])[0], expected, atol=1e-6)
    assert build_neck({**MOCOV2, "with_avg_pool": False})([torch.rand(3, 6)])[0].shape == (3, 4)


@pytest.mark.parametrize(("num_grid", "side"), [(None, 4), (0, 4), (2, 2), (6, 6)])
def test_densecl_neck(num_grid, side):
    neck, x = build_neck({**DENSE, "num_grid": num_grid}), torch.rand(3, 6, 4, 4)
    whole, dense, mean = neck([x])
    assert whole.shape == mean.shape == (3, 4)
    assert dense.shape == (3, 4, side * side)
    assert torch.allclose(whole, neck.mlp(x.mean(dim=(2, 3))), atol=1e-6)
    assert torch.allclose(mean, dense.mean(dim=2), atol=1e-6)
    if side == 4:
        place = neck.mlp2(x[:, :, 1:2, 2:3]).flatten(1)
        assert torch.allclose(dense[:, :, 1 * 4 + 2], place, atol=1e-6)
    if side == 2:
        place = neck.mlp2(x[:, :, :2, 2:].mean(dim=(2, 3), keepdim=True)).flatten(1)
        assert torch.allclose(dense[:, :, 1], place, atol=1e-6)
