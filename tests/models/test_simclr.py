"""SimCLR as a whole: symmetries of its loss, and that training lowers it."""

import pytest
import torch
import torch.nn.functional as F

from mmselfsup.models import build_algorithm
from mmselfsup.models.losses import info_nce

CFG = {
    "type": "SimCLR",
    "backbone": {"type": "ResNet", "depth": 18, "stem_channels": 8, "base_channels": 8},
    "neck": {
        "type": "NonLinearNeck",
        "in_channels": 64,
        "hid_channels": 16,
        "out_channels": 8,
    },
    "head": {"type": "ContrastiveHead", "temperature": 0.5},
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
    return [torch.rand(4, 3, 32, 32, generator=generator) for _ in range(2)]


def loss_of(model, views):
    return model(views)["loss"].item()


def test_order_of_views_and_images_does_not_matter(model, views):
    expected = loss_of(model, views)
    assert loss_of(model, views[::-1]) == pytest.approx(expected, rel=1e-5)
    order = torch.tensor([2, 0, 3, 1])
    assert loss_of(model, [v[order] for v in views]) == pytest.approx(expected, rel=1e-5)


def test_pairing_matters(model, views):
    assert loss_of(model, [views[0], views[1].flip(0)]) != pytest.approx(loss_of(model, views))


def test_loss_is_the_papers(model, views):
    """Equation 1, from the projections of the model."""
    x = torch.stack(views, dim=1).flatten(0, 1)
    z = F.normalize(model.neck(model.backbone(x))[0], dim=1)
    similarity = z @ z.T / 0.5
    own = torch.eye(8, dtype=torch.bool)
    partner = torch.arange(8) ^ 1
    expected = F.cross_entropy(similarity.masked_fill(own, -torch.inf), partner)
    assert loss_of(model, views) == pytest.approx(expected.item(), rel=1e-4)


def test_training_lowers_the_loss(model, views):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    first = loss_of(model, views)
    for _ in range(8):
        optimizer.zero_grad()
        model.train_step({"img": views, "idx": torch.arange(4)}, optimizer)["loss"].backward()
        optimizer.step()
    assert loss_of(model, views) < first - 0.3


def test_identical_features_cost_the_log_of_the_choices():
    same = torch.ones(6, 1)
    assert info_nce(same, torch.ones(6, 4), 0.1).item() == pytest.approx(torch.tensor(5.0).log())


@pytest.mark.parametrize("part", ["neck", "head"])
def test_neck_and_head_are_needed(part):
    with pytest.raises(ValueError, match=f"{part}=None"):
        build_algorithm({**CFG, part: None})


def test_two_views_are_needed(model, views):
    with pytest.raises(ValueError, match=r"2 views.*got 3"):
        model([*views, views[0]])


def test_half_precision_on_a_cpu(model, views):
    expected = loss_of(model, views)
    model.fp16_enabled = True
    loss = model(views)["loss"]
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected, rel=0.05)
