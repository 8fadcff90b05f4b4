"""SimCLR on two ranks: own rows against all columns is the loss of the joined batch."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmselfsup.models import build_algorithm, build_head
from mmselfsup.models.losses import pair_similarities
from mmselfsup.utils import dist
from tests.distributed.ranks import run_ranks

HEADS = [{}, {"decoupled": True}, {"decoupled": True, "sigma": 0.5}]


class Weighted(nn.Module):
    """A head that says nothing of its anchors: it weighs them by their place."""

    def forward(self, pos: Any, neg: Any) -> dict[str, Any]:
        place = torch.arange(len(pos), dtype=pos.dtype)
        return {"loss": (place * (neg.logsumexp(1) - pos[:, 0])).mean()}


def model_and_views(head: dict[str, Any] | None) -> tuple[Any, list[Any]]:
    torch.manual_seed(0)
    backbone = {"type": "ResNet", "depth": 18, "stem_channels": 4, "base_channels": 4}
    neck = {"type": "LinearNeck", "in_channels": 32, "out_channels": 6}
    plain = {"type": "ContrastiveHead", "temperature": 0.3, **(head or {})}
    model = build_algorithm(dict(type="SimCLR", backbone=backbone, neck=neck, head=plain))
    if head is None:
        model.head = Weighted()
    model.eval()  # batch norm of each image: the parts of a batch don't meet in it
    return model.double(), [torch.rand(6, 3, 32, 32, dtype=torch.float64) for _ in range(2)]


def gradients(model: Any) -> list[Any]:
    return [p.grad for p in model.parameters() if p.grad is not None]


def of_rank(rank: int, head: dict[str, Any] | None) -> Any:
    model, views = model_and_views(head)
    loss = model([view[3 * rank : 3 * rank + 3] for view in views])["loss"]
    loss.backward()
    return loss.item(), [dist.all_reduce(grad) / 2 for grad in gradients(model)]


@pytest.mark.parametrize("head", [*HEADS, None])
def test_two_ranks_are_one_with_the_joined_batch(
    head: dict[str, Any] | None, tmp_path: Path
) -> None:
    model, views = model_and_views(head)
    loss = model(views)["loss"]
    loss.backward()
    for found, grads in run_ranks(of_rank, tmp_path, head):
        assert found == pytest.approx(loss.item(), rel=1e-6)
        for a, b in zip(grads, gradients(model), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-7)  # projections are float32


@pytest.mark.parametrize("head", HEADS[:2])
@pytest.mark.parametrize("ranks", [1, 2, 5])
def test_parts_of_the_rows_give_loss_and_gradient_of_all(head: dict[str, Any], ranks: int) -> None:
    torch.manual_seed(1)
    z = F.normalize(torch.randn(20, 5, dtype=torch.float64), dim=1)
    criterion = build_head({"type": "ContrastiveHead", "temperature": 0.2, **head})
    whole, parts = z.clone().requires_grad_(), z.clone().requires_grad_()
    expected = criterion(*slow_pairs(whole))["loss"]
    expected.backward()
    rows = 20 // ranks
    losses = [
        criterion(*pair_similarities(parts[first : first + rows], parts, first))["loss"]
        for first in range(0, 20, rows)
    ]
    loss = torch.stack(losses).mean()
    loss.backward()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(parts.grad, whole.grad)


def slow_pairs(z: Any) -> tuple[Any, Any]:
    """Return the similarities row by row."""
    pos = torch.stack([z[i] @ z[i ^ 1] for i in range(len(z))])[:, None]
    others = [[j for j in range(len(z)) if j // 2 != i // 2] for i in range(len(z))]
    return pos, torch.stack([z[j] @ z[i] for i, j in enumerate(others)])


def test_no_index_of_each_similarity_is_kept() -> None:
    kept: list[Any] = []
    z = F.normalize(torch.randn(64, 4), dim=1).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        pair_similarities(z[:8], z)
    assert max(t.numel() for t in kept if not t.is_floating_point()) <= 8
