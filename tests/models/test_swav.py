"""SwAV as a whole, and what its parts refuse."""

import pytest
import torch
from torch.testing import assert_close

from mmselfsup.models import build_algorithm
from mmselfsup.models.heads import SwAVHead
from mmselfsup.models.necks import SwAVNeck
from mmselfsup.models.utils import MultiPrototypes
from mmselfsup.utils.errors import ArgumentError

CFG = {
    "type": "SwAV",
    "backbone": {"type": "ResNet", "depth": 18, "stem_channels": 8, "base_channels": 8},
    "neck": {"type": "SwAVNeck", "in_channels": 64, "hid_channels": 16, "out_channels": 8},
    "head": {"type": "SwAVHead", "feat_dim": 8, "num_crops": [2, 2], "num_prototypes": 6},
}


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = build_algorithm(CFG)
    model.init_weights()
    return model


@pytest.fixture
def views():
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(8, 3, side, side, generator=generator) for side in (32, 32, 16, 16)]


def test_order_of_images_does_not_matter(model, views):
    order = torch.tensor([3, 1, 7, 0, 2, 6, 5, 4])
    expected = model(views)["loss"]
    assert_close(model([v[order] for v in views])["loss"], expected, rtol=1e-4, atol=0)


def test_training_lowers_the_loss(model, views):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        out = model.train_step({"img": views, "idx": torch.arange(8)}, optimizer)
        out["loss"].backward()
        optimizer.step()
        losses.append(out["loss"].item())
    assert losses[-1] < losses[0] - 0.3


def test_half_precision_on_a_cpu(model, views):
    expected = model(views)["loss"].item()
    model.fp16_enabled = True
    loss = model(views)["loss"]
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("part", ["neck", "head"])
def test_neck_and_head_are_needed(part):
    with pytest.raises(ArgumentError, match=f"{part}=None"):
        build_algorithm({**CFG, part: None})


def test_a_list_of_all_views_is_needed(model, views):
    with pytest.raises(ArgumentError, match="one tensor"):
        model(views[0])
    with pytest.raises(ArgumentError, match=r"list of 4 views.*got 3 views"):
        model(views[:3])


def test_head_arguments():
    for wrong in ({"temperature": 0}, {"epsilon": -1}, {"num_prototypes": 0}):
        with pytest.raises(ArgumentError, match=r"above 0|from 1"):
            SwAVHead(4, **wrong)
    for crops in ([0, 2], [-1], [-1, 0], []):
        with pytest.raises(ArgumentError, match=r"must name some of the 2 views"):
            SwAVHead(4, crops_for_assign=crops)
    with pytest.raises(ArgumentError, match="7 projections"):
        SwAVHead(4)(torch.rand(7, 4))
    with pytest.raises(ArgumentError, match="list of numbers"):
        MultiPrototypes(4, 3)


@pytest.mark.parametrize(("hidden", "out", "width"), [(8, 5, 5), (0, 5, 5), (8, 0, 6)])
def test_neck_depths(hidden, out, width):
    neck = SwAVNeck(6, hidden, out, norm_cfg={"type": "BN1d"})
    maps = [[torch.rand(4, 6, 3, 3)], [torch.rand(2, 6, 2, 2)]]
    (z,) = neck(maps)
    assert z.shape == (6, width)
    assert_close(z.norm(dim=1), torch.ones(6))
    assert_close(neck([part[0] for part in maps])[0], z)


def test_neck_without_pooling_and_normalisation():
    neck = SwAVNeck(6, 0, 5, with_avg_pool=False, with_l2norm=False)
    x = torch.rand(3, 6)
    assert_close(neck([x])[0], neck.projection_neck(x))
