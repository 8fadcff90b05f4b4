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


def slow_summary(head: Any, tokens: list[list[float]]) -> list[float]:
    """The summary of one sequence: places of unit length added, then the blocks."""
    placed = []
    for place, token in enumerate(tokens):
        half = len(token) // 2
        angles = [place / 10000 ** (i / half) for i in range(half)]
        waves = [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
        norm = math.sqrt(sum(w * w for w in waves))
        placed.append([t + w / norm for t, w in zip(token, waves, strict=True)])
    out = torch.tensor([placed], dtype=torch.float64)
    for block in head.blocks:
        out = block(out)
    return out[0, 0].tolist()


@torch.no_grad()
def slow_terms(head: Any, near: Any, other_near: Any, z: Any, target: Any) -> dict[str, float]:
    """The three terms without weights: ``near`` are lists of neighbours, the nearest first."""
    first, second = head.predictor([z])[0].tolist(), head.centroid_predictor([z])[0].tolist()
    queries, keys = [], []
    for own, others, made in zip(near, other_near, second, strict=True):
        norm = math.sqrt(sum(m * m for m in made))
        queries.append(slow_summary(head, own))
        keys.append(slow_summary(head, [[m / norm for m in made], *others[: len(others) - 1]]))
    return {
        "loss_neighbour": slow_nce([own[0] for own in near], first, 0.5),
        "loss_centroid": slow_nce(queries, keys, 0.5),
        "loss_feature": slow_redundancy(z, target, 0.0051),
    }


def test_the_terms_equal_the_loop() -> None:
    torch.manual_seed(0)
    # Wide enough that no image's hidden units are all below 0.
    predictor = {**CFG["head"]["predictor"], "hid_channels": 32}
    head = build_head({**CFG["head"], **WEIGHTS, "predictor": predictor}).double()
    near = F.normalize(torch.randn(2, 5, 3, 4, dtype=torch.float64), dim=3)
    other, target = (torch.randn(5, 4, dtype=torch.float64) for _ in range(2))
    got = head(*near, other, target)
    wanted = slow_terms(head, *near.tolist(), other, target)
    for weight, (name, value) in zip((2, 3, 4), wanted.items(), strict=True):
        # The positions are float32.
        assert got[name].item() == pytest.approx(weight * value, rel=1e-6), name


def test_which_view_goes_where() -> None:
    """The key of a view's centroid is of the other view: its neighbours and its prediction."""
    torch.manual_seed(0)
    cfg = copy.deepcopy(CFG)
    cfg["head"].update(WEIGHTS)
    cfg["head"]["predictor"] = {**cfg["head"]["predictor"], "hid_channels": 32}
    model = build_algorithm(cfg).double().eval()
    model.head.redundancy.train()  # deviations of the batch, as in the loop
    model.momentum_encoder.load_state_dict(
        {k: v + 0.01 for k, v in model.momentum_encoder.state_dict().items()}
    )
    views = [v.double() for v in two_views(4, torch.Generator().manual_seed(1))["img"]]
    got = model(views)
    queue = model.neighbours.queue.T.tolist()
    z, target, near = [], [], []
    for view in views:
        z.append(model.base_encoder(view)[0].detach())
        target.append(model.momentum_encoder(view)[0].detach())
        near.append([sorted(queue, key=lambda q, t=t: -cosine(t, q))[:3]
                     for t in target[-1].tolist()])  # fmt: skip
    assert near[0] != near[1]
    one = slow_terms(model.head, near[0], near[1], z[1], target[0])
    two = slow_terms(model.head, near[1], near[0], z[0], target[1])
    for weight, name in zip((2, 3, 4), one, strict=True):
        wanted = weight * (one[name] + two[name]) / 2
        assert got[name].item() == pytest.approx(wanted, rel=1e-5), name


def untrained_centroid_term(same_neighbours: bool) -> float:
    """The mean of the term over untrained heads, for 32 images with 5 neighbours."""
    predictor = {**CFG["head"]["predictor"], "in_channels": 64, "out_channels": 64}
    total = 0.0
    for seed in range(5):
        torch.manual_seed(seed)
        head = build_head({**CFG["head"], "feat_dim": 64, "predictor": predictor,
                           "temperature": 0.2, "centroid_weight": 1.0})  # fmt: skip
        near, others = F.normalize(torch.randn(2, 32, 5, 64), dim=3)
        others = near if same_neighbours else others
        with torch.no_grad():
            losses = head(near, others, *torch.randn(2, 32, 64))
        total += losses["loss_centroid"].item() / 5
    return total


def test_the_centroid_is_found_by_the_images_alone() -> None:
    """With nothing in common between the views an untrained head is at chance, log(N)."""
    assert untrained_centroid_term(False) == pytest.approx(math.log(32), abs=0.3)
    # The test would see what the views share.
    assert untrained_centroid_term(True) < math.log(32) - 0.3


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
    with pytest.raises(ArgumentError, match="even width, got 5"):
        build_head({**copy.deepcopy(CFG["head"]), "feat_dim": 5, "num_heads": 1})
    with pytest.raises(ArgumentError, match="needs a neck and a head"):
        build_algorithm({"type": "All4One", "backbone": CFG["backbone"]})
