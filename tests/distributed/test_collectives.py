"""Shuffling, gathering and seeds on two ranks, and alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmselfsup.utils import (
    batch_shuffle_ddp,
    batch_unshuffle_ddp,
    concat_all_gather,
    gather_tensors,
    gather_tensors_batch,
    sync_random_seed,
)
from tests.distributed.ranks import run_ranks


def test_alone_nothing_moves() -> None:
    x = torch.randn(5, 3)
    shuffled, order = batch_shuffle_ddp(x)
    assert torch.equal(shuffled, x)
    assert torch.equal(batch_unshuffle_ddp(shuffled, order), x)
    assert torch.equal(concat_all_gather(x), x)
    assert len(gather_tensors(np.ones((2, 3)))) == 1
    assert gather_tensors_batch(np.ones((5, 3)), part_size=2)[0].shape == (5, 3)
    assert sync_random_seed(7) == 7
    assert 0 <= sync_random_seed() < 2**31


def test_part_size() -> None:
    with pytest.raises(ValueError, match=r"part_size.*0"):
        gather_tensors_batch(np.ones(3), part_size=0)


def _all(rank: int) -> Any:
    torch.manual_seed(rank)
    x = torch.arange(4.0)[:, None] + 10 * rank  # [4, 1]
    shuffled, order = batch_shuffle_ddp(x)
    back = batch_unshuffle_ddp(shuffled, order)
    arrays = gather_tensors(np.full((rank + 1, 2), rank))
    parts = gather_tensors_batch(np.arange(7 * rank), part_size=3, ret_rank=1)
    return {
        "shuffled": concat_all_gather(shuffled).flatten().tolist(),
        "own": shuffled.flatten().tolist(),
        "back": torch.equal(back, x),
        "shapes": [array.shape for array in arrays],
        "parts": [part.tolist() for part in parts],
        "seed": sync_random_seed(),
    }


def test_two_ranks(tmp_path: Path) -> None:
    first, second = run_ranks(_all, tmp_path)
    assert first["back"]
    assert second["back"]
    assert first["shuffled"] == second["shuffled"] == first["own"] + second["own"]
    assert sorted(first["shuffled"]) == [0, 1, 2, 3, 10, 11, 12, 13]
    assert first["own"] != [0, 1, 2, 3]
    assert first["shapes"] == [(1, 2), (2, 2)]
    assert first["parts"] == []
    assert second["parts"] == [[], list(range(7))]
    assert first["seed"] == second["seed"]
