"""Losses of VICReg, NNCLR, DCL, SupCon, TiCo, MMCR, LeJEPA, VISReg, FastSiam against loops."""

import math
from itertools import pairwise
from statistics import NormalDist
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from mmselfsup.models import build_algorithm, build_head
from mmselfsup.models.losses import (
    centre_and_scale,
    covariance_penalty,
    decoupled_info_nce,
    epps_pulley,
    mises_fisher_weights,
    pair_similarities,
    random_directions,
    sliced_wasserstein,
    supervised_contrastive,
    variance_hinge,
)
from mmselfsup.models.utils import NeighbourQueue
from mmselfsup.utils.errors import ArgumentError
from tests.contract.tiny_models import TINY, two_views


def rows(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def units(*shape: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(rows(*shape, seed=seed), dim=-1)


# -- VICReg


def slow_vicreg(z_a: torch.Tensor, z_b: torch.Tensor, weights: tuple[float, float, float]) -> float:
    """Algorithm 1, one number after the other."""
    n, d = z_a.shape
    invariance = sum(float((z_a[i, j] - z_b[i, j]) ** 2) for i in range(n) for j in range(d))
    variance = covariance = 0.0
    for z in (z_a, z_b):
        mean = [float(sum(z[:, j])) / n for j in range(d)]
        for i in range(d):
            for j in range(d):
                c = sum(float((z[k, i] - mean[i]) * (z[k, j] - mean[j])) for k in range(n)) / (
                    n - 1
                )
                if i == j:
                    variance += max(0.0, 1 - math.sqrt(c + 1e-4)) / d
                else:
                    covariance += c**2 / d
    return weights[0] * invariance / (n * d) + weights[1] * variance + weights[2] * covariance


@pytest.mark.parametrize(("n", "d"), [(2, 1), (5, 3), (9, 4), (3, 7)])
def test_vicreg_equals_the_loop(n: int, d: int) -> None:
    z_a, z_b = 0.7 * rows(n, d), 0.7 * rows(n, d, seed=1)
    weights = (25.0, 20.0, 3.0)
    names = ("invariance_weight", "variance_weight", "covariance_weight")
    head = build_head({"type": "VICRegHead", **dict(zip(names, weights, strict=True))})
    assert head(z_a, z_b)["loss"].item() == pytest.approx(slow_vicreg(z_a, z_b, weights), rel=1e-9)


def test_terms_of_vicreg() -> None:
    assert variance_hinge(torch.zeros(4, 3)).item() == pytest.approx(1 - 1e-2)
    assert variance_hinge(100 * rows(9, 3)).item() == 0.0
    z = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    assert covariance_penalty(z).item() == pytest.approx(0.0, abs=1e-12)
    constant = torch.zeros(4, 3, dtype=torch.float64, requires_grad=True)
    variance_hinge(constant + 0.0).backward()
    assert constant.grad is not None
    assert torch.isfinite(constant.grad).all()
    for term in (variance_hinge, covariance_penalty):
        with pytest.raises(ArgumentError, match="at least two images"):
            term(rows(1, 3))
        assert torch.autograd.gradcheck(term, (0.5 * rows(5, 3).requires_grad_(),))


# -- neighbours


def test_neighbours_are_the_nearest_of_the_queue() -> None:
    queue = NeighbourQueue(4, 7).double()
    queue.queue.copy_(units(7, 4).T)
    z = 3 * rows(5, 4, seed=1)
    found = queue.nearest(z)
    for row, near in zip(z, found, strict=True):
        cosines = [float(row @ column) for column in queue.queue.T]
        best = max(range(7), key=cosines.__getitem__)
        torch.testing.assert_close(near, queue.queue[:, best])
    before = found.clone()
    queue.push(z)
    torch.testing.assert_close(found, before)  # a copy: the queue may be overwritten
    torch.testing.assert_close(queue.queue[:, :5], F.normalize(z, dim=1).T)
    torch.testing.assert_close(queue.nearest(z), F.normalize(z, dim=1))


def test_neighbours_are_those_of_full_precision() -> None:
    """Images of one class have cosines that bfloat16 can't tell apart."""
    torch.manual_seed(0)
    queue, centre = NeighbourQueue(64, 500), torch.randn(64)
    queue.queue.copy_(F.normalize(centre + 0.1 * torch.randn(500, 64), dim=1).T)
    z = centre + 0.1 * torch.randn(20, 64)
    expected = queue.nearest(z), queue.several(z, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = queue.nearest(z), queue.several(z, 3)
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])


def test_nnclr_equals_the_loop() -> None:
    torch.manual_seed(0)
    model = build_algorithm(TINY["NNCLR"].cfg).double().eval()
    views = [view.double() for view in two_views(5, torch.Generator().manual_seed(1))["img"]]
    with torch.no_grad():
        z = [model.neck(model.backbone(view))[0] for view in views]
        got = model(views)["loss"].item()
        total = 0.0
        for own, other in ((0, 1), (1, 0)):
            near = model.neighbours.nearest(z[own])
            predictions = F.normalize(model.head.predictor([z[other]])[0], dim=1)
            for i in range(5):
                scores = [math.exp(float(near[i] @ p) / 0.5) for p in predictions]
                total -= math.log(scores[i] / sum(scores)) / 5 / 2
    assert got == pytest.approx(total, rel=1e-9)


def test_neighbours_of_byol_and_siamese_networks() -> None:
    """With a queue that holds the targets themselves the losses are those of BYOL and SimSiam."""
    views = [view.double() for view in two_views(5, torch.Generator().manual_seed(1))["img"]]
    for name, base, encoder in (
        ("NNBYOL", "BYOL", "target_net"),
        ("NNSiam", "SimSiam", "encoder"),
    ):
        torch.manual_seed(0)
        model = build_algorithm({**TINY[name].cfg, "queue_len": 10}).double().eval()
        plain = build_algorithm(TINY[base].cfg).double().eval()
        plain.load_state_dict(model.state_dict(), strict=False)
        with torch.no_grad():
            for view in views:
                model.neighbours.push(getattr(model, encoder)(view)[0])
            assert model(views)["loss"].item() == pytest.approx(plain(views)["loss"].item())


# -- DCL


@pytest.mark.parametrize("sigma", [None, 0.5])
def test_decoupled_loss_equals_the_loop(sigma: float | None) -> None:
    z, t = units(8, 3), 0.3
    pos, neg = pair_similarities(z)
    weights = None if sigma is None else mises_fisher_weights(pos, sigma)
    got = decoupled_info_nce(pos, neg, t, weights).item()
    partner = [i ^ 1 for i in range(8)]
    p = [float(z[i] @ z[partner[i]]) for i in range(8)]
    total = 0.0
    for i in range(8):
        w = 1.0
        if sigma is not None:
            w = 2 - math.exp(p[i] / sigma) / (sum(math.exp(x / sigma) for x in p) / 8)
        rest = [k for k in range(8) if k not in (i, partner[i])]
        total += -w * p[i] / t + math.log(sum(math.exp(float(z[i] @ z[k]) / t) for k in rest))
    assert got == pytest.approx(total / 8, rel=1e-9)
    options = {"decoupled": True, "temperature": t, **({} if sigma is None else {"sigma": sigma})}
    head = build_head({"type": "ContrastiveHead", **options})
    assert head(pos, neg)["loss"].item() == pytest.approx(got)


def test_weights_of_positives() -> None:
    pos = units(6, 3)[:, :1].requires_grad_()
    weights = mises_fisher_weights(pos, 0.5)
    assert not weights.requires_grad
    assert weights.mean().item() == pytest.approx(1.0)
    assert weights.flatten().argsort().tolist() == (-pos).flatten().argsort().tolist()
    for options in ({"sigma": 0.5}, {"sigma": 0.0, "decoupled": True}):
        with pytest.raises(ArgumentError, match="sigma must be above 0"):
            build_head({"type": "ContrastiveHead", **options})


# -- SupCon


def slow_supcon(z: torch.Tensor, labels: list[int], t: float, balanced: bool) -> float:
    """Equation 2; with class averages in the denominator where it is balanced."""
    image = [k // 2 for k in range(len(z))]
    group = [labels[i] if labels[i] >= 0 else f"image {i}" for i in image]
    total = 0.0
    for i in range(len(z)):
        others = [a for a in range(len(z)) if a != i]
        score = {a: math.exp(float(z[i] @ z[a]) / t) for a in others}
        denominator = 0.0
        for name in set(group):
            members = [a for a in others if group[a] == name]
            if members:
                denominator += sum(score[a] for a in members) / (len(members) if balanced else 1)
        positives = [a for a in others if group[a] == group[i]]
        total -= sum(math.log(score[p] / denominator) for p in positives) / len(positives)
    return total / len(z)


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("labels", [[0, 0, 1, 2], [0, -1, -1, 0, 1], [-1, -1, -1]])
def test_supervised_loss_equals_the_loop(labels: list[int], balanced: bool) -> None:
    z = units(2 * len(labels), 3)
    got = supervised_contrastive(z, torch.tensor(labels), 0.4, balanced).item()
    assert got == pytest.approx(slow_supcon(z, labels, 0.4, balanced), rel=1e-9)


def test_without_labels_it_is_simclr() -> None:
    z = units(8, 3)
    pos, neg = pair_similarities(z)
    simclr = build_head({"type": "ContrastiveHead", "temperature": 0.4})(pos, neg)["loss"]
    got = supervised_contrastive(z, torch.full((4,), -1), 0.4)
    torch.testing.assert_close(got, simclr)
    z = units(6, 3).requires_grad_()
    labels = torch.tensor([0, 1, 0])
    for balanced in (False, True):
        assert torch.autograd.gradcheck(
            lambda z, balanced=balanced: supervised_contrastive(z, labels, 0.4, balanced), (z,)
        )


def test_supcon_asks_for_labels() -> None:
    views = two_views(4, torch.Generator().manual_seed(1))["img"]
    with pytest.raises(ArgumentError, match="with_label=True"):
        build_algorithm(TINY["SupCon"].cfg)(views)


# -- TiCo


def test_tico_equals_the_loop() -> None:
    head = build_head({"type": "TiCoHead", "feat_dim": 3, "beta": 0.8, "rho": 5.0}).double()
    covariance = torch.zeros(3, 3, dtype=torch.float64)
    for seed in (0, 2):
        first, second = rows(6, 3, seed=seed), rows(6, 3, seed=seed + 1)
        z, target = F.normalize(first, dim=1), F.normalize(second, dim=1)
        covariance = 0.8 * covariance + 0.2 * sum(torch.outer(row, row) for row in z) / 6
        total = 0.0
        for i in range(6):
            total += (1 - float(z[i] @ target[i]) + 5 * float(z[i] @ covariance @ z[i])) / 6
        assert head(first, second)["loss"].item() == pytest.approx(total, rel=1e-9)
        torch.testing.assert_close(head.covariance, covariance)
    head.eval()(rows(6, 3), rows(6, 3, seed=1))
    torch.testing.assert_close(head.covariance, covariance)  # validation does not move it
    with pytest.raises(ArgumentError, match=r"beta must be in 0\.\.1"):
        build_head({"type": "TiCoHead", "feat_dim": 3, "beta": 1.2})


# -- MMCR


def test_mmcr_is_the_nuclear_norm_of_the_centroids() -> None:
    views = rows(3, 5, 4)
    unit = F.normalize(views, dim=2)
    singular = torch.linalg.svd(unit.mean(dim=0)).S.sum()
    own = sum(torch.linalg.svd(unit[:, i]).S.sum() for i in range(5)) / 5
    for lambd in (0.0, 0.3):
        got = build_head({"type": "MMCRHead", "lambd": lambd})(views)["loss"].item()
        assert got == pytest.approx(float(-singular + lambd * own), rel=1e-9)
    # Views that agree and images in different directions are the best that there is.
    best = build_head({"type": "MMCRHead"})(torch.eye(4)[None].expand(3, 4, 4))["loss"]
    assert best.item() == pytest.approx(-4.0)


# -- LeJEPA


def slow_epps_pulley(z: torch.Tensor, directions: torch.Tensor) -> float:
    """Algorithm 1 with its complex numbers and the trapezoidal rule written out."""
    n, total = len(z), 0.0
    knots = [-5 + 10 * k / 16 for k in range(17)]
    for direction in directions.T:
        values = []
        for t in knots:
            empirical = sum(complex(math.cos(a), math.sin(a)) for a in (z @ direction * t).tolist())
            normal = math.exp(-(t**2) / 2)
            values.append(abs(empirical / n - normal) ** 2 * normal)
        width = 10 / 16
        total += n * sum((a + b) / 2 * width for a, b in pairwise(values))
    return total / directions.shape[1]


def test_epps_pulley_equals_the_loop() -> None:
    z, directions = rows(6, 3), units(4, 3, seed=1).T
    got = epps_pulley(z, directions).item()
    assert got == pytest.approx(slow_epps_pulley(z, directions), rel=1e-9)
    assert torch.autograd.gradcheck(epps_pulley, (z.requires_grad_(), directions))


def test_a_normal_distribution_has_a_small_statistic() -> None:
    """And what is constant, scaled, shifted or of few values a larger one."""
    directions = random_directions(4, 64, torch.zeros(1))
    z = rows(2000, 4).float()
    good = epps_pulley(z, directions)
    torch.testing.assert_close(directions.norm(dim=0), torch.ones(64))
    for bad in (0 * z, 3 * z, 0.3 * z, z + 1, z.sign()):
        assert epps_pulley(bad, directions) > 5 * good


def test_lejepa_equals_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    directions = units(5, 3, seed=3).T
    monkeypatch.setattr(
        "mmselfsup.models.heads.lejepa_head.random_directions", lambda *args: directions
    )
    z = rows(4, 6, 3)
    head = build_head({"type": "LeJEPAHead", "lambd": 0.1, "num_global": 2})
    centre = (z[0] + z[1]) / 2
    prediction = sum(float(((view - centre) ** 2).mean()) for view in z) / 4
    gaussian = sum(slow_epps_pulley(view, directions) for view in z) / 4
    got = head(z)
    assert got["loss"].item() == pytest.approx(0.9 * prediction + 0.1 * gaussian, rel=1e-9)
    assert got["gaussian"].item() == pytest.approx(gaussian, rel=1e-9)
    with pytest.raises(ArgumentError, match=r"lambd must be in 0\.\.1"):
        build_head({"type": "LeJEPAHead", "lambd": 1.5})


# -- VISReg


def slow_visreg(z: torch.Tensor, directions: torch.Tensor) -> dict[str, float]:
    """The terms of one view [N, D], one number after the other; equations 1, 2, 5 and 6."""
    n, d = z.shape
    means = [sum(z[i, j].item() for i in range(n)) / n for j in range(d)]
    stds = [
        math.sqrt(sum((z[i, j].item() - means[j]) ** 2 for i in range(n)) / n) for j in range(d)
    ]
    shape = 0.0
    for direction in directions.T:
        values = [
            sum(
                (z[i, j].item() - means[j]) / (stds[j] + 1e-4) * direction[j].item()
                for j in range(d)
            )
            for i in range(n)
        ]
        wanted = [NormalDist().inv_cdf((k + 1) / (n + 1)) for k in range(n)]
        shape += sum((a - b) ** 2 for a, b in zip(sorted(values), wanted, strict=True)) / n
    return {
        "centre": sum(m**2 for m in means) / d,
        "scale": sum((1 - s) ** 2 for s in stds) / d,
        "shape": shape / directions.shape[1],
    }


def test_visreg_equals_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    directions = units(5, 3, seed=3).T
    monkeypatch.setattr(
        "mmselfsup.models.heads.visreg_head.random_directions", lambda *args: directions
    )
    z = 0.5 + 2 * rows(4, 6, 3)
    weights = {"scale": 0.5, "shape": 2.0, "centre": 3.0}
    options = {f"{name}_weight": weight for name, weight in weights.items()}
    head = build_head({"type": "VISRegHead", "lambd": 0.6, "num_global": 2, **options})
    centre = (z[0] + z[1]) / 2
    wanted = {"prediction": sum(float(((view - centre) ** 2).mean()) for view in z) / 4}
    for name in weights:
        wanted[name] = sum(slow_visreg(view, directions)[name] for view in z) / 4
    got = head(z)
    for name, value in wanted.items():
        assert got[name].item() == pytest.approx(value, rel=1e-7)
    total = 0.4 * wanted["prediction"] + 0.6 * sum(w * wanted[n] for n, w in weights.items())
    assert got["loss"].item() == pytest.approx(total, rel=1e-7)


def test_visreg_treats_scale_and_shape_apart() -> None:
    directions = random_directions(4, 64, torch.zeros(1, dtype=torch.float64))
    z = rows(500, 4)
    good = sliced_wasserstein(z, directions)
    torch.testing.assert_close(sliced_wasserstein(7 * z + 3, directions), good, rtol=0.01, atol=0)
    for bad in (z.sign(), z[:, :1].expand(-1, 4)):
        assert sliced_wasserstein(bad, directions) > 5 * good
    # The shape's term has no share in the scale: it changes nothing along z itself.
    z.requires_grad_()
    (grad,) = torch.autograd.grad(centre_and_scale(0.1 * z)[1], z)
    assert (grad * z).sum() < 0  # it grows
    # Where all projections are equal the scale's gradient is finite, as with tiny differences.
    for spread in (0.0, 1e-5):
        near = (1 + spread * z.detach()).requires_grad_()
        (grad,) = torch.autograd.grad(centre_and_scale(near)[1], near)
        assert torch.isfinite(grad).all()
        assert grad.norm() > 0 or not spread


def test_arguments_of_visreg() -> None:
    with pytest.raises(ArgumentError, match=r"lambd must be in 0\.\.1"):
        build_head({"type": "VISRegHead", "lambd": -0.1})
    with pytest.raises(ArgumentError, match="centre_weight must be at least 0"):
        build_head({"type": "VISRegHead", "centre_weight": -1.0})
    with pytest.raises(ArgumentError, match="two images"):
        build_head({"type": "VISRegHead", "num_directions": 2})(rows(2, 1, 3))


# -- numbers out of range


@pytest.mark.parametrize(
    ("cfg", "message"),
    [
        (dict(type="SupConHead", temperature=0.0), "temperature must be above 0"),
        (dict(type="IBOTHead", feat_dim=4, patch_weight=-1.0), "patch_weight must be at least 0"),
        (dict(type="TiCoHead", feat_dim=4, rho=-1.0), "rho must be at least 0"),
        (dict(type="TiCoHead", feat_dim=4, rho=math.nan), "rho must be at least 0"),
        (dict(type="MMCRHead", lambd=-1.0), "lambd must be at least 0"),
        (
            dict(type="LatentCrossCorrelationHead", in_channels=4, lambd=-1.0),
            "lambd must be at least 0",
        ),
        (dict(type="LeJEPAHead", num_directions=0), "num_directions must be at least 1"),
        (dict(type="LeJEPAHead", num_global=0), "num_global must be at least 1"),
        (dict(type="LeJEPAHead", knots=1), "knots must be at least 2"),
        (dict(type="LeJEPAHead", limit=0.0), "limit must be above 0"),
        (dict(type="VISRegHead", num_directions=0), "num_directions must be at least 1"),
        (dict(type="VISRegHead", num_global=0), "num_global must be at least 1"),
    ],
)
def test_heads_refuse_numbers_out_of_range(cfg: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        build_head(cfg)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("DINOv2", {"koleo_weight": -0.1}, "koleo_weight must be at least 0"),
        ("All4One", {"num_neighbours": 1}, "num_neighbours must be at least 2"),
    ],
)
def test_methods_refuse_numbers_out_of_range(
    name: str, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArgumentError, match=message):
        build_algorithm({**TINY[name].cfg, **change})


@pytest.mark.parametrize("name", ["LeJEPA", "VISReg"])
def test_more_global_views_than_there_are_views(name: str) -> None:
    model = build_algorithm(TINY[name].cfg)
    model.head.num_global = 3
    with pytest.raises(ArgumentError, match=r"got 2 views, fewer than head\.num_global=3"):
        model(two_views(4, torch.Generator().manual_seed(1))["img"])


# -- FastSiam


def test_fastsiam_equals_the_loop() -> None:
    torch.manual_seed(0)
    model = build_algorithm(TINY["FastSiam"].cfg).double().eval()
    batch = TINY["FastSiam"].batch(4, torch.Generator().manual_seed(1))
    views = [view.double() for view in batch["img"]]
    with torch.no_grad():
        z = [model.encoder(view)[0] for view in views]
        total = 0.0
        for k in range(3):
            target = sum(z[j] for j in range(3) if j != k) / 2
            prediction = model.head.predictor([z[k]])[0]
            total -= float(F.cosine_similarity(prediction, target).mean()) / 3
        assert model(views)["loss"].item() == pytest.approx(total, rel=1e-9)
        simsiam = build_algorithm(TINY["SimSiam"].cfg).double().eval()
        simsiam.load_state_dict(model.state_dict())
        two = views[:2]
        assert model(two)["loss"].item() == pytest.approx(simsiam(two)["loss"].item())


@pytest.mark.parametrize("name", ["FastSiam", "MMCR", "LeJEPA", "VISReg"])
def test_one_view_is_refused(name: str) -> None:
    views = two_views(4, torch.Generator().manual_seed(1))["img"]
    with pytest.raises(ArgumentError, match="two or more views of each image"):
        build_algorithm(TINY[name].cfg)(views[:1])


def test_lejepa_takes_a_head_that_names_no_global_views() -> None:
    model = build_algorithm(TINY["LeJEPA"].cfg)
    model.head = torch.nn.Identity()
    model.head.forward = lambda z: {"loss": z.square().mean()}
    views = TINY["LeJEPA"].batch(4, torch.Generator().manual_seed(0))["img"]
    assert torch.isfinite(model(views)["loss"])
