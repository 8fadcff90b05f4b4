"""All4One against slow loops: its three terms, and the neighbours of a queue."""

import copy
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from mmselfsup.models import build_algorithm, build_head
from mmselfsup.models.utils import NeighbourQueue
from mmselfsup.utils.errors import ArgumentError
from tests.contract.tiny_models import TINY, two_views

CFG = TINY["All4One"].cfg
WEIGHTS = {"neighbour_weight": 2.0, "centroid_weight": 3.0, "feature_weight": 4.0}


def cosine(a: Any, b: Any) -> float:
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a) * sum(x * x for x in b))


def slow_nce(queries: Any, keys: Any, temperature: float) -> float:
    total = 0.0
    for i, query in enumerate(queries):
        powers = [math.exp(cosine(query, key) / temperature) for key in keys]
        total -= math.log(powers[i] / sum(powers)) / len(queries)
    return total


def slow_redundancy(a: torch.Tensor, b: torch.Tensor, lambd: float) -> float:
    total, (count, width) = 0.0, a.shape
    means = a.mean(0), b.mean(0)
    roots = [(z.var(0, unbiased=False) + 1e-5).sqrt() for z in (a, b)]
    for i in range(width):
        for j in range(width):
            x = (a[:, i] - means[0][i]) / roots[0][i]
            y = (b[:, j] - means[1][j]) / roots[1][j]
            c = sum(p * q for p, q in zip(x.tolist(), y.tolist(), strict=True)) / count
            total += (1 - c) ** 2 if i == j else lambd * c**2
    return total / width


def test_the_terms_equal_the_loop() -> None:
    torch.manual_seed(0)
    # Wide enough that no image's hidden units are all below 0.
    predictor = {**CFG["head"]["predictor"], "hid_channels": 32}
    head = build_head({**CFG["head"], **WEIGHTS, "predictor": predictor}).double()
    near = F.normalize(torch.randn(5, 3, 4, dtype=torch.float64), dim=2)
    other, target = (torch.randn(5, 4, dtype=torch.float64) for _ in range(2))
    got = head(near, other, target)
    with torch.no_grad():
        prediction = head.predictor([other])[0]
        second = head.centroid_predictor([other])[0]
        rows = []
        for n in range(5):  # one sequence at a time
            unit = second[n] / second[n].norm()
            pair = torch.stack([near[n], torch.stack([unit, near[n, 1], near[n, 2]])])
            for block in head.blocks:
                pair = block(pair)
            rows.append(pair[:, 0].tolist())
    neighbour = slow_nce(near[:, 0].tolist(), prediction.tolist(), 0.5)
    centroid = slow_nce([row[0] for row in rows], [row[1] for row in rows], 0.5)
    feature = slow_redundancy(prediction, target, 0.0051)
    assert got["loss_neighbour"].item() == pytest.approx(2 * neighbour, rel=1e-9)
    assert got["loss_centroid"].item() == pytest.approx(3 * centroid, rel=1e-9)
    assert got["loss_feature"].item() == pytest.approx(4 * feature, rel=1e-9)


def test_several_neighbours() -> None:
    torch.manual_seed(0)
    queue = NeighbourQueue(4, 7)
    z = torch.randn(3, 4)
    near = queue.several(z, 3)
    for row, found in zip(z.tolist(), near, strict=True):
        order = sorted(range(7), key=lambda i: -cosine(row, queue.queue[:, i].tolist()))
        torch.testing.assert_close(found, queue.queue[:, order[:3]].T)
    torch.testing.assert_close(near[:, 0], queue.nearest(z))
    for count in (0, 8):
        with pytest.raises(ArgumentError, match="neighbours from a queue of 7"):
            queue.several(z, count)


def test_both_orders_count_and_the_target_fills_the_queue() -> None:
    torch.manual_seed(0)
    model = build_algorithm(copy.deepcopy(CFG)).eval()
    views = two_views(4, torch.Generator().manual_seed(1))["img"]
    one, two = model(views), model(views[::-1])
    for name, value in one.items():
        torch.testing.assert_close(two[name], value)
    model.train()
    target = copy.deepcopy(model.momentum_encoder)(views[0])[0]
    sum(model(views).values()).backward()
    torch.testing.assert_close(model.neighbours.queue[:, :4].T, F.normalize(target, dim=1))
    assert all(p.grad is None for p in model.momentum_encoder.parameters())
    assert all(p.grad is not None for p in model.base_encoder.parameters())
    assert all(p.grad is not None for p in model.head.parameters())


def test_arguments() -> None:
    with pytest.raises(ArgumentError, match="must be from 0"):
        build_head({**copy.deepcopy(CFG["head"]), "centroid_weight": -1.0})
    with pytest.raises(ArgumentError, match="needs a neck and a head"):
        build_algorithm({"type": "All4One", "backbone": CFG["backbone"]})
