"""InterCLR's pairs and margins against plain loops."""

import math

import pytest
import torch

from mmselfsup.models.losses import (
    angular_margin,
    cosine_margin,
    draw_negatives,
    draw_positives,
    info_nce,
)
from mmselfsup.utils.errors import ArgumentError

ROWS, QUERIES = 30, 4
LABELS = torch.arange(ROWS) % 3
OWN = torch.tensor([0, 4, 8, 9])
SIMILARITY = torch.rand(QUERIES, ROWS, generator=torch.Generator().manual_seed(0)) * 2 - 1


def others_by_similarity(query):
    """Rows of other clusters, the most similar first."""
    rows = [r for r in range(ROWS) if LABELS[r] != LABELS[OWN[query]]]
    return sorted(rows, key=lambda r: -float(SIMILARITY[query, r]))


def draw(strategy, count=5, pool=8, labels=LABELS):
    return draw_negatives(SIMILARITY, labels, OWN, count, strategy, pool)


@pytest.mark.parametrize("strategy", ["hard", "semihard", "random", "semieasy"])
def test_negatives_are_drawn_from_their_pool(strategy):
    torch.manual_seed(0)
    seen = [set() for _ in range(QUERIES)]
    for _ in range(60):
        rows, valid = draw(strategy)
        assert rows.shape == valid.shape == (QUERIES, 5)
        assert valid.all()
        for query, drawn in enumerate(rows.tolist()):
            assert len(set(drawn)) == 5
            seen[query] |= set(drawn)
    for query, drawn in enumerate(seen):
        order = others_by_similarity(query)
        pools = {"hard": order[:5], "semihard": order[:8], "semieasy": order[-8:], "random": order}
        assert drawn == set(pools[strategy])


@pytest.mark.parametrize("strategy", ["hard", "semihard", "random", "semieasy"])
def test_too_few_negatives_are_marked_and_add_nothing(strategy):
    labels = torch.zeros(ROWS, dtype=torch.long)
    labels[[1, 2]] = 1
    rows, valid = draw(strategy, labels=labels)
    assert valid.sum(dim=1).tolist() == [2] * QUERIES
    assert all(set(r[v].tolist()) == {1, 2} for r, v in zip(rows, valid, strict=True))
    neg = SIMILARITY.gather(1, rows).masked_fill(~valid, -math.inf).requires_grad_()
    loss = info_nce(SIMILARITY[:, :1], neg, 0.2)
    expected = info_nce(SIMILARITY[:, :1], SIMILARITY[:, 1:3], 0.2)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert torch.isfinite(neg.grad).all()


def test_counts_beyond_the_data():
    rows, valid = draw("semihard", count=100, pool=200)
    assert rows.shape == (QUERIES, ROWS)
    assert valid.sum(dim=1).tolist() == [20] * QUERIES
    with pytest.raises(ArgumentError, match="neg_sampling must be one of"):
        draw("easy")


def test_positives_are_any_of_the_cluster():
    torch.manual_seed(0)
    drawn = torch.stack([draw_positives(LABELS, OWN) for _ in range(200)])
    for query, own in enumerate(OWN):
        cluster = {r for r in range(ROWS) if LABELS[r] == LABELS[own]}
        assert set(drawn[:, query].tolist()) == cluster


@pytest.mark.parametrize("margin", [-0.4, 0.0, 0.3, 1.2, 2.9])
def test_margins_equal_the_angles(margin):
    cosines = torch.linspace(-0.99, 0.99, 23, dtype=torch.float64).requires_grad_()
    turned = angular_margin(cosines, margin)
    for cosine, got in zip(cosines.tolist(), turned.tolist(), strict=True):
        angle = math.acos(cosine)
        expected = math.cos(angle + margin)
        if cosine <= math.cos(math.pi - margin):
            expected = cosine - margin * math.sin(margin)
        assert got == pytest.approx(expected)
    assert torch.autograd.gradcheck(lambda c: angular_margin(c, margin), (cosines,))
    torch.testing.assert_close(cosine_margin(cosines, margin), cosines - margin)


def test_an_angle_of_zero_has_a_finite_gradient():
    one = torch.ones(2, requires_grad=True)
    angular_margin(one, 0.3).sum().backward()
    assert torch.isfinite(one.grad).all()
