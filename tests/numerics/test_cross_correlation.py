"""Barlow Twins' loss against loops over the entries of the matrix."""

import pytest
import torch

from mmselfsup.models import build_head
from mmselfsup.models.losses import redundancy_loss


def slow(z1, z2, weight):
    """Equations 1 and 2, one entry after the other."""
    unit = [(z - z.mean(dim=0)) / (z.var(dim=0, unbiased=False) + 1e-5).sqrt() for z in (z1, z2)]
    rows, width = z1.shape
    total = 0.0
    for i in range(width):
        for j in range(width):
            c = sum(float(unit[0][n, i] * unit[1][n, j]) for n in range(rows)) / rows
            total += (1 - c) ** 2 if i == j else weight * c**2
    return total


@pytest.mark.parametrize(("rows", "width"), [(2, 1), (5, 3), (9, 4)])
def test_head_equals_the_loop(rows, width):
    head = build_head(
        {"type": "LatentCrossCorrelationHead", "in_channels": width, "lambd": 0.1}
    ).double()
    z1, z2 = (torch.randn(rows, width, dtype=torch.float64) for _ in range(2))
    assert head(z1, z2)["loss"].item() == pytest.approx(slow(z1, z2, 0.1), rel=1e-9)
    assert list(head.state_dict()) == [
        "bn.running_mean",
        "bn.running_var",
        "bn.num_batches_tracked",
    ]


def test_gradients():
    c = torch.randn(4, 4, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda c: redundancy_loss(c, 0.3), (c,))


def test_identity_costs_nothing():
    assert redundancy_loss(torch.eye(5), 1.0).item() == 0.0
    assert redundancy_loss(torch.ones(3, 3), 0.5).item() == pytest.approx(3.0)
