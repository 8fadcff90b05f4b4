"""Barlow Twins' loss on two ranks is that of one process with the joined batch."""

from pathlib import Path
from typing import Any

import pytest
import torch

from mmselfsup.models import build_head
from mmselfsup.utils import dist
from tests.distributed.ranks import run_ranks


def head_and_views(width: int) -> tuple[Any, list[torch.Tensor]]:
    torch.manual_seed(0)
    head = build_head({"type": "LatentCrossCorrelationHead", "in_channels": width, "lambd": 0.1})
    return head.double(), [torch.randn(6, width, dtype=torch.float64) for _ in range(2)]


def of_rank(rank: int, width: int) -> Any:
    head, views = head_and_views(width)
    own = [view[3 * rank : 3 * rank + 3].requires_grad_() for view in views]
    loss = head(*own)["loss"]
    # DistributedDataParallel averages the gradients of the ranks.
    return loss.item(), [grad / dist.get_world_size() for grad in torch.autograd.grad(loss, own)]


@pytest.mark.parametrize("width", [4, 23, 24])  # from 2 * 2^2 * 3 on the samples are joined
def test_two_ranks_are_one_with_the_joined_batch(width: int, tmp_path: Path) -> None:
    head, views = head_and_views(width)
    views = [view.requires_grad_() for view in views]
    loss = head(*views)["loss"]
    wanted = torch.autograd.grad(loss, views)
    for rank, (found, grads) in enumerate(run_ranks(of_rank, tmp_path, width)):
        assert found == pytest.approx(loss.item(), rel=1e-9)
        for grad, whole in zip(grads, wanted, strict=True):
            torch.testing.assert_close(grad, whole[3 * rank : 3 * rank + 3])
