"""DeepCluster v2: its loss and its clustering against slow loops, its banks and its hook."""

import copy
import logging
import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from mmselfsup.core.hooks import DeepClusterV2Hook
from mmselfsup.models import build_algorithm, build_head
from mmselfsup.models.losses import assigned_prediction
from mmselfsup.utils.clustering import spherical_kmeans
from mmselfsup.utils.data_info import DataInfo
from mmselfsup.utils.errors import ArgumentError, UserError
from tests.contract.tiny_models import TINY, crops

CFG = {
    "type": "DeepClusterV2Head",
    "feat_dim": 3,
    "num_clusters": [2, 3, 2],
    "num_crops": [2, 1],
    "bank_len": 8,
}


def unit(*shape: int) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, dtype=torch.float64), dim=-1)


def test_the_loss_equals_the_loop() -> None:
    torch.manual_seed(0)
    scores, labels = torch.randn(3, 4, 5, dtype=torch.float64), torch.tensor([0, 4, 2, 2])
    total = 0.0
    for view in scores.tolist():
        for row, label in zip(view, labels.tolist(), strict=True):
            powers = [math.exp(s / 0.1) for s in row]
            total -= math.log(powers[label] / sum(powers))
    got = assigned_prediction(scores, labels, 0.1)
    assert got.item() == pytest.approx(total / 12, rel=1e-9)
    some = torch.tensor([0, -1, 2, -1])
    kept = assigned_prediction(scores[:, [0, 2]], labels[[0, 2]], 0.1)
    torch.testing.assert_close(assigned_prediction(scores, some, 0.1), kept)
    assert assigned_prediction(scores, torch.full((4,), -1), 0.1).item() == 0


def test_the_loss_is_the_mean_of_the_clusterings() -> None:
    torch.manual_seed(0)
    head = build_head(CFG).double()
    head.cluster(0)
    z, idx = unit(3, 4, 3), torch.tensor([5, 0, 7, 2])
    wanted = sum(
        assigned_prediction(z @ layer.weight.T, head.assignments[h, idx], 0.1)
        for h, layer in enumerate(head.prototypes.children())
    )
    assert head(z, idx)["loss"].item() == pytest.approx(wanted.item() / 3, rel=1e-9)


def slow_kmeans(x: list[list[float]], c: list[list[float]], iters: int) -> Any:
    def nearest(v: list[float]) -> int:
        return max(range(len(c)), key=lambda k: sum(a * b for a, b in zip(v, c[k], strict=True)))

    for _ in range(iters):
        labels = [nearest(v) for v in x]
        for k in range(len(c)):
            rows = [v for v, label in zip(x, labels, strict=True) if label == k]
            if rows:
                total = [sum(col) for col in zip(*rows, strict=True)]
                norm = math.sqrt(sum(t * t for t in total))
                c[k] = [t / norm for t in total]
    return [nearest(v) for v in x], c


def test_spherical_kmeans_equals_the_loop() -> None:
    torch.manual_seed(0)
    x = unit(30, 4)
    first = x[torch.randperm(30, generator=torch.Generator().manual_seed(7))[:5]]
    wanted, centroids = slow_kmeans(x.tolist(), first.tolist(), 4)
    labels, got = spherical_kmeans(x, 5, 7, 4)
    assert labels.tolist() == wanted
    torch.testing.assert_close(got, torch.tensor(centroids, dtype=torch.float64))


def test_an_empty_cluster_keeps_its_centroid() -> None:
    x = torch.tensor([[1.0, 0.0]] * 4)
    labels, centroids = spherical_kmeans(x, 3, 0, 5)
    assert labels.unique().tolist() == [0]
    torch.testing.assert_close(centroids, x[:3])


def test_banks_hold_the_newest_features_of_their_view() -> None:
    torch.manual_seed(0)
    head = build_head(CFG)
    head.cluster(0)
    before = [bank.feature_bank.clone() for bank in head.banks]
    z, idx = unit(3, 2, 3).float(), torch.tensor([6, 1])
    head(z, idx)
    for crop, (bank, old) in enumerate(zip(head.banks, before, strict=True)):
        torch.testing.assert_close(bank.feature_bank[idx], z[crop])
        others = [i for i in range(8) if i not in (6, 1)]
        assert torch.equal(bank.feature_bank[others], old[others])
    head.eval()
    head(unit(3, 2, 3).float(), idx)
    torch.testing.assert_close(head.banks[0].feature_bank[idx], z[0])


def test_clusterings_take_turns_of_the_views() -> None:
    torch.manual_seed(0)
    head = build_head(CFG)
    head.cluster(4)
    for h, (layer, labels) in enumerate(
        zip(head.prototypes.children(), head.assignments, strict=True)
    ):
        rows = head.banks[h % 2].feature_bank
        wanted = spherical_kmeans(rows, len(layer.weight), 4 * 3 + h, 10)
        assert torch.equal(labels, wanted[0])
        assert torch.equal(layer.weight, wanted[1])
        assert not layer.weight.requires_grad
    assert int(head.clustered_epoch) == 4


def test_the_start_of_kmeans_follows_the_seed_of_the_run() -> None:
    torch.manual_seed(0)
    model = build_algorithm(copy.deepcopy(TINY["DeepClusterV2"].cfg))
    model.init_weights()
    batch = crops(12, torch.Generator().manual_seed(1))
    found = []
    for seed in (0, 1, 1):
        model.head.clustered_epoch.fill_(-1)
        runner = SimpleNamespace(
            model=model, epoch=0, logger=logging.getLogger("test"), data_loader=[batch],
            meta={"seed": seed},
        )  # fmt: skip
        DeepClusterV2Hook().before_train_epoch(runner)
        found.append([layer.weight.clone() for layer in model.head.prototypes.children()])
    assert not all(map(torch.equal, found[0], found[1]))
    assert all(map(torch.equal, found[1], found[2]))


def test_arguments_and_data() -> None:
    for bad, message in (
        ({"crops_for_assign": [3]}, "crops_for_assign"),
        ({"kmeans_iters": 0}, "kmeans_iters counts from 1"),
        ({"temperature": 0.0}, "temperature must be above 0"),
    ):
        with pytest.raises(ArgumentError, match=message):
            build_head({**CFG, **bad})
    head = build_head({**CFG, "bank_len": None})
    for module in head.modules():
        if hasattr(module, "fit_dataset"):
            module.fit_dataset(DataInfo(5, 2))
    assert head.assignments.shape == (3, 5)
    assert head.banks[0].feature_bank.shape == (5, 3)
    with pytest.raises(UserError, match="2 training images can't make 3 clusters"):
        head.fit_dataset(DataInfo(2, 2))
    with pytest.raises(ArgumentError, match="DeepClusterV2 takes a list of 4 views"):
        build_algorithm(copy.deepcopy(TINY["DeepClusterV2"].cfg))(torch.rand(2, 3, 8, 8), idx=[])


def test_the_hook_fills_the_banks_once_and_clusters_once_an_epoch() -> None:
    torch.manual_seed(0)
    model = build_algorithm(copy.deepcopy(TINY["DeepClusterV2"].cfg))
    model.init_weights()
    batch = crops(12, torch.Generator().manual_seed(1))
    calls: list[int] = []
    model.remember = lambda img, idx: (
        calls.append(len(idx)) or type(model).remember(model, img, idx)
    )
    runner = SimpleNamespace(
        model=model, epoch=0, max_epochs=2, logger=logging.getLogger("test"), data_loader=[batch]
    )
    hook = DeepClusterV2Hook()
    state = torch.get_rng_state()
    hook.before_train_epoch(runner)
    assert torch.equal(torch.get_rng_state(), state)
    assert calls == [12]
    assert int(model.head.assignments.min()) == 0
    first = model.head.assignments.clone()
    # A run that is resumed inside the epoch, with features of this epoch in the banks.
    model.head.banks[0].feature_bank.copy_(unit(12, 4))
    hook.before_train_epoch(runner)
    assert torch.equal(model.head.assignments, first)
    runner.epoch = 1
    hook.before_train_epoch(runner)
    assert not torch.equal(model.head.assignments, first)
    assert calls == [12]
    runner.model = build_algorithm(copy.deepcopy(TINY["SwAV"].cfg))
    runner.max_iters = None
    with pytest.raises(UserError, match="needs DeepClusterV2Head"):
        hook.before_run(runner)
