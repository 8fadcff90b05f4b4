"""Memory banks that have drifted apart, as on GPUs, are those of the first rank again."""

from pathlib import Path

import torch
from torch import Tensor

from mmselfsup.models.memories import ODCMemory, SimpleMemory
from tests.distributed.ranks import run_ranks

LENGTH, WIDTH = 6, 4


def _drifted(rank: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(rank)
    odc, simple = (
        ODCMemory(LENGTH, WIDTH, num_classes=2, min_cluster=1),
        SimpleMemory(LENGTH, WIDTH),
    )
    buffers = {f"odc.{name}": buffer for name, buffer in odc.named_buffers()}
    buffers |= {f"simple.{name}": buffer for name, buffer in simple.named_buffers()}
    for buffer in buffers.values():
        if buffer.is_floating_point():
            buffer.copy_(torch.rand(buffer.shape, generator=generator))
        else:
            buffer.fill_(rank)
    before = {f"before.{name}": buffer.clone() for name, buffer in buffers.items()}
    odc.synchronise()
    simple.synchronise()
    return {**before, **buffers}


def test_synchronise_takes_the_first_ranks_buffers(tmp_path: Path) -> None:
    first, second = run_ranks(_drifted, tmp_path)
    names = [name for name in first if not name.startswith("before.")]
    assert "odc.feature_bank" in names
    assert "simple.feature_bank" in names
    for name in names:
        assert not torch.equal(first[f"before.{name}"], second[f"before.{name}"]), name
        assert torch.equal(first[name], first[f"before.{name}"]), name
        assert torch.equal(second[name], first[name]), name
