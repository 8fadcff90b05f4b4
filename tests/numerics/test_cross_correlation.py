"""Barlow Twins' loss against loops over the entries of the matrix."""

import pytest
import torch

from mmselfsup.models import build_head
from mmselfsup.models.losses import redundancy_loss, redundancy_of_samples
from mmselfsup.models.losses.off_diagonal import off_diagonal_squares


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


@pytest.mark.parametrize(("rows", "width"), [(2, 1), (5, 3), (9, 4), (3, 7)])
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
    views = [torch.randn(2, 5, dtype=torch.float64).requires_grad_() for _ in range(2)]
    assert torch.autograd.gradcheck(lambda a, b: redundancy_of_samples(a, b, 0.3), views)


def test_identity_costs_nothing():
    assert redundancy_loss(torch.eye(5), 1.0).item() == 0.0
    assert redundancy_loss(torch.ones(3, 3), 0.5).item() == pytest.approx(3.0)


@pytest.mark.parametrize(("rows", "width"), [(6, 3), (3, 6), (2, 9)])
def test_samples_give_the_loss_of_their_matrix(rows, width):
    first, second = (torch.randn(rows, width, dtype=torch.float64) for _ in range(2))
    wanted = redundancy_loss(first.T @ second / rows, 0.3)
    torch.testing.assert_close(redundancy_of_samples(first, second, 0.3), wanted)


@pytest.mark.parametrize("shape", [(4, 9), (4, 8), (4, 7), (3, 4, 9), (3, 9, 4)])
def test_squares_off_the_diagonal(shape):
    """Few rows, many rows and the border between them give the sum over the matrix."""
    first, second = (torch.randn(*shape, dtype=torch.float64) for _ in range(2))
    matrix = torch.einsum("...ni,...nj->...ij", first, second)
    wanted = (matrix * (1 - torch.eye(shape[-1], dtype=matrix.dtype))).square().sum()
    torch.testing.assert_close(off_diagonal_squares(first, second), wanted)


def test_few_rows_keep_the_digits():
    """In float32 the difference of the two sums is as exact as the sum over the matrix."""
    torch.manual_seed(0)
    z = torch.randn(64, 128)
    z = (z - z.mean(dim=0)) / z.std(dim=0)
    wanted = off_diagonal_squares(torch.cat([z.double()] * 3), torch.cat([z.double()] * 3)) / 9
    assert off_diagonal_squares(z, z).item() == pytest.approx(wanted.item(), rel=1e-5)
