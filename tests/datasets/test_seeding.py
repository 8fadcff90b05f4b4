"""Random numbers: the same for a seed whatever the workers and ranks, and after a stop."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch

from mmselfsup.datasets import build_dataloader
from mmselfsup.datasets.seeding import sample_seeds, seeded


class Draws(torch.utils.data.Dataset):
    """Yields what each source of random numbers draws."""

    def __len__(self) -> int:
        return 13

    def __getitem__(self, idx: int) -> dict[str, Any]:
        assert type(idx) is int
        drawn = [torch.rand(()).item(), random.random(), np.random.rand()]
        return dict(idx=idx, drawn=torch.tensor(drawn, dtype=torch.float64))


def loader(dataset: Any = None, **kwargs: Any) -> Any:
    options = dict(samples_per_gpu=4, workers_per_gpu=0, seed=5) | kwargs
    return build_dataloader(Draws() if dataset is None else dataset, **options)


def epoch(data_loader: Any, number: int | None = None) -> list[Any]:
    if number is not None:
        data_loader.sampler.set_epoch(number)
    batches = list(data_loader)
    index = torch.cat([batch["idx"] for batch in batches])
    drawn = torch.cat([batch["drawn"] for batch in batches])
    return [index.tolist(), drawn.tolist()]


@pytest.mark.parametrize("options", [dict(), dict(workers_per_gpu=2), dict(replace=True)])
def test_random_numbers_differ_everywhere(options: dict[str, Any]) -> None:
    data_loader = loader(**options)
    drawn = np.array([epoch(data_loader, e)[1] for e in range(3)])  # [3, 13, 3]
    assert len(np.unique(drawn)) == drawn.size
    assert 0.3 < drawn.mean() < 0.7


def test_a_fresh_process_draws_what_an_uninterrupted_one_draws() -> None:
    workers = dict(workers_per_gpu=2, persistent_workers=True)
    uninterrupted = loader(**workers)
    wanted = [epoch(uninterrupted, e) for e in range(3)]
    for options in (workers, dict(workers_per_gpu=1, persistent_workers=False), dict()):
        assert epoch(loader(**options), 2) == wanted[2]
    assert epoch(loader(seed=6), 2) != wanted[2]
    unnumbered = loader()
    assert [epoch(unnumbered) for _ in range(3)] == wanted  # no set_epoch: one after the other


def test_ranks_draw_the_batch_of_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    from mmselfsup.datasets import loader as module

    alone = epoch(loader(), 1)
    by_rank = []
    for rank in range(2):
        monkeypatch.setattr(module._dist, "get_world_size", lambda: 2)
        monkeypatch.setattr(module._dist, "get_rank", lambda rank=rank: rank)
        monkeypatch.setattr(module._dist, "broadcast_object", lambda obj: obj)
        by_rank.append(epoch(loader(), 1))
    for part in range(2):
        turns = zip(by_rank[0][part], by_rank[1][part], strict=True)
        assert [value for turn in turns for value in turn][:13] == alone[part]


def test_the_random_numbers_of_the_process_are_left_alone() -> None:
    def after(use: bool) -> tuple[float, ...]:
        torch.manual_seed(0)
        random.seed(0)
        np.random.seed(0)
        if use:
            for workers in (0, 1):
                epoch(loader(workers_per_gpu=workers))
        return torch.rand(()).item(), random.random(), np.random.rand()

    assert after(True) == after(False)


def test_seeded_restores_after_an_error() -> None:
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    with pytest.raises(KeyError), seeded(2**64 - 1):  # noqa: PT012
        torch.rand(1)
        raise KeyError
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_sample_seeds_are_well_mixed() -> None:
    seeds = sample_seeds(0, 0, np.arange(20_000))
    for bit in range(64):
        ones = np.mean((seeds >> np.uint64(bit)) & np.uint64(1))
        assert abs(float(ones) - 0.5) < 0.02
    assert len(np.unique(seeds)) == 20_000
    assert not np.isin(sample_seeds(0, 1, np.arange(100)), seeds).any()
    assert not np.isin(sample_seeds(1, 0, np.arange(100)), seeds).any()


def test_without_a_seed_torch_s_counts() -> None:
    torch.manual_seed(11)
    first = epoch(loader(seed=None))
    torch.manual_seed(11)
    assert epoch(loader(seed=None)) == first
    torch.manual_seed(12)
    assert epoch(loader(seed=None)) != first
