"""What ranks share without a step: buffers at the start, memories, and no running statistics."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mmselfsup.apis import train
from mmselfsup.models.memories import ODCMemory
from tests.distributed.ranks import run_ranks
from tests.hooks.conftest import TinyModel


class Bare(nn.Module):
    """Wraps a model and shares nothing, as ``DistributedDataParallel`` of some versions."""

    def __init__(self, module: nn.Module, **kwargs: Any) -> None:
        super().__init__()
        self.module = module


def start(rank: int, bare: bool) -> dict[str, Tensor]:
    """Return the buffers of a wrapped model that each rank has drawn for itself."""
    if bare:
        setattr(train, "DistributedDataParallel", Bare)  # noqa: B010  # this process ends
    torch.manual_seed(rank)
    model = TinyModel()
    model.register_buffer("queue", torch.rand(4, 8))  # [D, K]
    model.backbone.bn1.running_mean.add_(rank)
    return dict(train.wrap_model(model, distributed=True).module.named_buffers())


@pytest.mark.parametrize("bare", [False, True])
def test_buffers_start_as_those_of_the_first_rank(bare: bool, tmp_path: Path) -> None:
    first, second = run_ranks(start, tmp_path, bare)
    torch.manual_seed(0)
    TinyModel()
    assert torch.equal(first["queue"], torch.rand(4, 8))
    for name, buffer in first.items():
        assert torch.equal(buffer, second[name]), name


def step(rank: int) -> Tensor:
    """Return the running mean of a rank after one batch of zeros; it began at 10 and 20."""
    torch.manual_seed(0)
    model = train.wrap_model(TinyModel(), distributed=True).train()
    norm: Any = model.module.backbone.bn1
    model.module.backbone.conv1.bias.data.zero_()
    norm.running_mean.fill_(10.0 * (rank + 1))
    model(img=torch.zeros(2, 3, 6, 6), label=torch.zeros(2, dtype=torch.long))
    return norm.running_mean


def test_running_statistics_stay_those_of_the_rank(tmp_path: Path) -> None:
    first, second = run_ranks(step, tmp_path)
    torch.testing.assert_close(first, torch.full((4,), 9.0))
    torch.testing.assert_close(second, torch.full((4,), 18.0))


def centroids(rank: int) -> Tensor:
    """Return centroids of features that differ in their last digits, as sums on GPUs do."""
    memory = ODCMemory(length=12, feat_dim=4, num_classes=3, min_cluster=1)
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(12, 4, generator=generator)  # [L, D]
    memory.init_memory(rows, torch.arange(12) % 3)
    memory.feature_bank.mul_(1 + 1e-6 * rank)
    memory.update_centroids_memory()
    return memory.centroids


def test_centroids_are_bitwise_those_of_the_first_rank(tmp_path: Path) -> None:
    first, second = run_ranks(centroids, tmp_path)
    assert torch.equal(first, second)
    assert torch.equal(first, centroids(0))
