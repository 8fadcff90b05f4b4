"""Class-balanced sampling: how often classes and images are shown, on any number of ranks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmselfsup.datasets import build_dataloader
from mmselfsup.datasets.samplers import ClassBalancedSampler
from mmselfsup.datasets.samplers.class_balanced_sampler import proportional_counts
from mmselfsup.utils.errors import UserError


class Labelled:
    def __init__(self, labels: list[int]) -> None:
        self.gt_labels = np.array(labels)

    def __len__(self) -> int:
        return len(self.gt_labels)

    def __getitem__(self, idx: int) -> dict[str, Any]:
        return {"idx": int(idx), "label": self.gt_labels[idx]}


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from([0.0, 0.5, 1.0]), st.integers(1, 3))
def test_classes_by_the_formula(data: st.DataObject, power: float, ranks: int) -> None:
    labels = data.draw(st.lists(st.integers(0, 4), min_size=3, max_size=60))
    dataset, size = Labelled(labels), len(labels)
    parts = [list(ClassBalancedSampler(dataset, ranks, rank, power=power)) for rank in range(ranks)]
    assert len({len(part) for part in parts}) == 1
    dealt = [parts[i % ranks][i // ranks] for i in range(size)]  # in the order over all ranks
    counts = {c: labels.count(c) for c in set(labels)}
    whole = sum(n**power for n in counts.values())
    for c, n in counts.items():
        shown = [int(i) for i in dealt if labels[i] == c]
        assert abs(len(shown) - size * n**power / whole) < 1  # Kang et al. 2020, equation 1
        times = [shown.count(i) for i in range(size) if labels[i] == c]
        assert max(times) - min(times) <= 1  # no image is repeated before all were shown
    if power == 1:
        assert sorted(int(i) for i in dealt) == list(range(size))


def test_epochs_differ_and_repeat() -> None:
    sampler = ClassBalancedSampler(Labelled([0] * 30 + [1] * 3), seed=1)
    first, second = list(sampler), list(sampler)
    sampler.set_epoch(0)
    assert first == list(sampler)
    assert first != second


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=8), st.integers(0, 200))
def test_whole_numbers(frequencies: list[float], total: int) -> None:
    counts = proportional_counts(frequencies, total, torch.Generator().manual_seed(0))
    assert counts.sum() == total
    assert (abs(counts - np.array(frequencies) / sum(frequencies) * total) < 1 + 1e-6).all()


def test_loader_by_config() -> None:
    dataset = Labelled([0] * 90 + [1] * 10)
    loader = build_dataloader(
        dataset, samples_per_gpu=10, workers_per_gpu=0, seed=0,
        sampler=dict(type="ClassBalancedSampler"),
    )  # fmt: skip
    labels = torch.cat([batch["label"] for batch in loader])
    assert labels.bincount().tolist() == [50, 50]
    for config, message in (
        (dict(type="Balanced"), "'Balanced' is none of ClassBalancedSampler"),
        (dict(type="ClassBalancedSampler", pover=1), "unexpected keyword argument 'pover'"),
    ):
        with pytest.raises(UserError, match=message):
            build_dataloader(dataset, samples_per_gpu=1, sampler=config)
    with pytest.raises(UserError, match="needs one label for each image"):
        ClassBalancedSampler([1, 2, 3])
    with pytest.raises(ValueError, match="power must be"):
        ClassBalancedSampler(dataset, power=2.0)


def test_balanced_clusters_are_refused() -> None:
    sampler = ClassBalancedSampler(Labelled([0, 0, 1]))
    with pytest.raises(UserError, match="balances the labels, and unif_sampling=True"):
        sampler.set_uniform_indices([0, 1, 2], 3)
