"""The losses of MSN and PMSN against a slow loop, and the masked vision transformer."""

import math
from typing import Any

import pytest
import torch

from mmselfsup.models import build_algorithm, build_backbone, build_head
from mmselfsup.models.losses import power_law_prior, prior_divergence
from mmselfsup.utils.errors import ArgumentError
from tests.contract.tiny_models import TINY, VIT, crops

CFG = {"type": "MSNHead", "feat_dim": 3, "num_prototypes": 4, "temperature": 0.2}


def softmax(scores: list[float]) -> list[float]:
    powers = [math.exp(score) for score in scores]
    return [power / sum(powers) for power in powers]


def cosine(a: Any, b: Any) -> float:
    a, b = a.tolist(), b.tolist()
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a) * sum(x * x for x in b))


def slow_sinkhorn(q: list[list[float]], iterations: int) -> list[list[float]]:
    """Prototypes, then images, get equal sums; each image has the sum 1 at the end."""
    for _ in range(iterations):
        sums = [sum(column) for column in zip(*q, strict=True)]
        q = [[x / s for x, s in zip(row, sums, strict=True)] for row in q]
        q = [[x / sum(row) for x in row] for row in q]
    return q


@pytest.mark.parametrize(
    ("iterations", "exponent", "weight"), [(3, 0.0, 1.0), (0, 0.0, 0.5), (0, 0.5, 2.0)]
)
def test_msn_equals_the_loop(iterations: int, exponent: float, weight: float) -> None:
    torch.manual_seed(0)
    head = build_head(
        {
            **CFG,
            "target_temperature": 0.1,
            "sinkhorn_iterations": iterations,
            "power_law_exponent": exponent,
            "prior_weight": weight,
        }
    ).double()
    anchors = torch.randn(2, 5, 3, dtype=torch.float64)
    target = torch.randn(5, 3, dtype=torch.float64)
    rows = head.prototypes.weight.detach()
    q = slow_sinkhorn([softmax([cosine(t, r) / 0.1 for r in rows]) for t in target], iterations)
    total, mean = 0.0, [0.0] * 4
    for view in anchors:
        for z, wanted in zip(view, q, strict=True):
            p = softmax([cosine(z, r) / 0.2 for r in rows])
            total -= sum(a * math.log(b) for a, b in zip(wanted, p, strict=True)) / 10
            mean = [m + x / 10 for m, x in zip(mean, p, strict=True)]
    shares = [(k + 1) ** -exponent for k in range(4)]
    prior = [share / sum(shares) for share in shares]
    divergence = sum(m * math.log(m / s) for m, s in zip(mean, prior, strict=True))
    got = head(anchors, target)
    assert got["loss_prediction"].item() == pytest.approx(total, rel=1e-9)
    assert got["loss_prior"].item() == pytest.approx(weight * divergence, rel=1e-6)


def test_the_prior() -> None:
    torch.testing.assert_close(power_law_prior(4), torch.full((4,), 0.25))
    law = power_law_prior(4, 1.0)
    torch.testing.assert_close(law / law[0], torch.tensor([1, 1 / 2, 1 / 3, 1 / 4]))
    assert prior_divergence(law, law).item() == pytest.approx(0.0, abs=1e-7)
    assert prior_divergence(law, power_law_prior(4)).item() > 0
    with pytest.raises(ArgumentError, match="power_law_exponent from 0"):
        power_law_prior(4, -1.0)


def test_the_direction_of_the_divergence() -> None:
    """KL(p || prior): for a uniform prior MSN's log K - H(p), which the reverse is not."""
    p = [0.9, 0.06, 0.03, 0.01]
    own = torch.tensor(p, dtype=torch.float64)
    for prior in (power_law_prior(4), power_law_prior(4, 0.5)):
        law = prior.tolist()
        forward = sum(a * math.log(a / b) for a, b in zip(p, law, strict=True))
        reverse = sum(b * math.log(b / a) for a, b in zip(p, law, strict=True))
        found = prior_divergence(own, prior.double()).item()
        assert found == pytest.approx(forward, rel=1e-6)
        assert abs(found - reverse) > 0.05
    entropy = -sum(a * math.log(a) for a in p)
    uniform = prior_divergence(own, power_law_prior(4).double()).item()
    assert uniform == pytest.approx(math.log(4) - entropy, rel=1e-6)


def test_a_collapse_costs_the_prior() -> None:
    """All images at one prototype: the divergence from the uniform prior is near log K."""
    head = build_head({**CFG, "temperature": 0.02, "target_temperature": 0.005})
    with torch.no_grad():
        head.prototypes.weight.copy_(torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0]]))
    same = torch.tensor([1.0, 0.0, 0.0]).expand(2, 5, 3)
    assert head(same, same[0])["loss_prior"].item() == pytest.approx(math.log(4), abs=1e-3)


def test_only_the_student_and_the_prototypes_learn() -> None:
    torch.manual_seed(0)
    model = build_algorithm(TINY["MSN"].cfg)
    model(**crops(4, torch.Generator().manual_seed(1)))
    losses = model(**crops(4, torch.Generator().manual_seed(1)))
    (losses["loss_prediction"] + losses["loss_prior"]).backward()
    assert all(p.grad is None for p in model.momentum_encoder.parameters())
    learning = dict(model.base_encoder.named_parameters())
    assert all(p.grad is not None for p in learning.values() if p.requires_grad)
    assert model.head.prototypes.weight.grad is not None


def test_the_teacher_sees_the_first_view_and_the_student_the_others() -> None:
    torch.manual_seed(0)
    model = build_algorithm({**TINY["MSN"].cfg, "mask_ratio": 0.0}).eval()
    views = crops(4, torch.Generator().manual_seed(1))["img"]
    with torch.no_grad():
        anchors = torch.stack([model.base_encoder(view)[0] for view in views[1:]])
        wanted = model.head(anchors, model.momentum_encoder(views[0])[0])
        got = model(views)
    for name, value in wanted.items():
        torch.testing.assert_close(got[name], value)


def test_masked_patches_are_left_out() -> None:
    torch.manual_seed(0)
    backbone = build_backbone({**VIT, "type": "MSNViT"})
    backbone.init_weights()
    lengths: list[int] = []
    backbone.layers[0].register_forward_hook(lambda _, args, out: lengths.append(args[0].shape[1]))
    images = torch.rand(2, 3, 32, 32)
    (masked,) = backbone(images, 0.25)
    assert masked.shape == (2, 32)
    assert lengths == [13]  # 12 of 16 patches and the class token
    whole = backbone(images)[0]
    assert whole[0].shape == (2, 32, 4, 4)
    assert lengths == [13, 17]
    no_token = {"with_cls_token": False, "output_cls_token": False}
    with pytest.raises(ArgumentError, match="with_cls_token=True"):
        build_backbone({**VIT, "type": "MSNViT", **no_token})


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"target_temperature": 0.2}, "target_temperature must be below temperature"),
        ({"target_temperature": 0.0}, "temperature must be above 0"),
        ({"sinkhorn_iterations": -1}, "sinkhorn_iterations and prior_weight must be from 0"),
        ({"power_law_exponent": 0.25}, "Sinkhorn-Knopp makes all prototypes equally frequent"),
    ],
)
def test_arguments_of_the_head(bad: dict[str, float], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        build_head({**CFG, **bad})


def test_arguments_of_the_algorithm() -> None:
    cfg = TINY["MSN"].cfg
    with pytest.raises(ArgumentError, match="mask_ratio must be at least 0 and less than 1"):
        build_algorithm({**cfg, "mask_ratio": 1.0})
    with pytest.raises(ArgumentError, match="VisionTransformer sees whole images"):
        build_algorithm({**cfg, "backbone": VIT})
    with pytest.raises(ArgumentError, match="two or more views"):
        build_algorithm(cfg)([torch.rand(2, 3, 32, 32)])
