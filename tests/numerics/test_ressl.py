"""The loss of ReSSL against a slow loop."""

import math

import pytest
import torch
import torch.nn.functional as F

from mmselfsup.models import build_algorithm, build_head
from mmselfsup.utils.errors import ArgumentError
from tests.contract.tiny_models import TINY, two_views


def slow_relations(z: torch.Tensor, queue: torch.Tensor, temperature: float) -> list[float]:
    length = math.sqrt(sum(float(v) ** 2 for v in z))
    scores = [math.exp(float(z @ column) / length / temperature) for column in queue.T]
    return [score / sum(scores) for score in scores]


def test_ressl_equals_the_loop_and_the_queue_gets_the_teacher() -> None:
    torch.manual_seed(0)
    head = build_head({"type": "ReSSLHead", "feat_dim": 3, "queue_len": 7}).double()
    for _ in range(2):  # the second batch meets the projections of the first
        student, teacher = torch.randn(2, 4, 3, dtype=torch.float64)
        queue = head.others.queue.clone()
        total = 0.0
        for s, t in zip(student, teacher, strict=True):
            p, q = slow_relations(t, queue, 0.04), slow_relations(s, queue, 0.1)
            total -= sum(a * math.log(b) for a, b in zip(p, q, strict=True)) / 4
        assert head(student, teacher)["loss"].item() == pytest.approx(total, rel=1e-9)
    newest = head.others.queue[:, [4, 5, 6, 0]]
    torch.testing.assert_close(newest, F.normalize(teacher, dim=1).T)
    before = head.others.queue.clone()
    head.eval()(student, teacher)
    assert torch.equal(head.others.queue, before)  # validation does not move it


def test_only_the_student_gets_a_gradient() -> None:
    torch.manual_seed(0)
    model = build_algorithm(TINY["ReSSL"].cfg)
    views = two_views(4, torch.Generator().manual_seed(1))["img"]
    model(views)["loss"].backward()
    assert all(p.grad is not None for p in model.base_encoder.parameters())
    assert all(p.grad is None for p in model.momentum_encoder.parameters())
    # The first view is the student's.
    with torch.no_grad():
        model.eval()
        whole = model(views)["loss"]
        student = model.base_encoder(views[0])[0]
        teacher = model.momentum_encoder(views[1])[0]
        torch.testing.assert_close(model.head(student, teacher)["loss"], whole)


@pytest.mark.parametrize("name", ["student_temperature", "teacher_temperature"])
def test_temperatures(name: str) -> None:
    with pytest.raises(ArgumentError, match="temperature must be above 0"):
        build_head({"type": "ReSSLHead", "feat_dim": 3, "queue_len": 7, name: 0.0})
