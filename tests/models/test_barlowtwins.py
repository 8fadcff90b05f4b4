"""Barlow Twins as a whole: its loss is the paper's, and what it refuses."""

import pytest
import torch

from mmselfsup.models import build_algorithm
from mmselfsup.utils.errors import ArgumentError
from tests.contract.tiny_models import TINY, two_views


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = build_algorithm(TINY["BarlowTwins"].cfg)
    model.init_weights()
    return model.double()


@pytest.fixture
def views():
    return [v.double() for v in two_views(6, torch.Generator().manual_seed(1))["img"]]


def papers_loss(z_a, z_b, weight):
    """Equations 1 and 2 with their sums written as loops over the entries."""
    a, b = (z - z.mean(dim=0) for z in (z_a, z_b))
    loss = 0.0
    for i in range(a.shape[1]):
        for j in range(b.shape[1]):
            norms = (a[:, i].square().sum() * b[:, j].square().sum()).sqrt()
            c = float((a[:, i] * b[:, j]).sum() / norms)
            loss += (1 - c) ** 2 if i == j else weight * c**2
    return loss


def test_loss_is_the_papers(model, views):
    with torch.no_grad():
        z_a, z_b = (20 * model.neck(model.backbone(v))[0] for v in views)
        model.neck.fc2.weight.mul_(20)  # makes the eps of the batch normalisation negligible
        got = model(views)["loss"].item()
    assert got == pytest.approx(papers_loss(z_a, z_b, model.head.lambd), rel=1e-3)


def test_pairs_count_and_their_order_does_not(model, views):
    expected = model(views)["loss"].item()
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    assert model([v[order] for v in views])["loss"].item() == pytest.approx(expected)
    assert model(views[::-1])["loss"].item() == pytest.approx(expected)
    assert model([views[0], views[1].flip(0)])["loss"].item() != pytest.approx(expected)


def test_training_decorrelates(model, views):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        losses.append(model(views)["loss"])
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.5 * losses[0]


def test_what_is_refused(model, views):
    with pytest.raises(ArgumentError, match="2 views of each image, got 3"):
        model([*views, views[0]])
    with pytest.raises(ValueError, match="more than 1 value per channel"):  # preflight knows it
        model([v[:1] for v in views])
    with pytest.raises(ArgumentError, match="needs a backbone and a neck and a head"):
        build_algorithm({**TINY["BarlowTwins"].cfg, "head": None})


def test_further_arguments_are_ignored_as_in_0x():
    build_algorithm({**TINY["BarlowTwins"].cfg, "use_projector": True})
