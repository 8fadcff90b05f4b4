"""Ranks with batch-norm statistics of their own evaluate one network: that of the first rank."""

import copy
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, Subset

from mmselfsup.apis.train import wrap_model
from mmselfsup.core.hooks import DeepClusterHook, EvalHook
from mmselfsup.core.runner import EpochBasedRunner, IterBasedRunner
from mmselfsup.datasets import build_dataloader
from mmselfsup.models import build_algorithm
from mmselfsup.utils import dist
from mmselfsup.utils.batch_norm import running_statistics
from mmselfsup.utils.collect import collect_results
from tests.contract.tiny_models import TINY
from tests.distributed.ranks import run_ranks
from tests.hooks.conftest import TinyData, TinyModel
from tests.resume.test_clusters import Clustered, hooks

LOGGER = logging.getLogger("tests.statistics")


def disturb(model: torch.nn.Module, rank: int) -> None:
    """Give a model the statistics that a rank has after some steps on its own images."""
    generator = torch.Generator().manual_seed(rank)
    for buffer in running_statistics(model):
        noise = torch.rand(buffer.shape, generator=generator) - 0.5
        buffer.copy_(torch.where(buffer > 0, buffer * (1 + noise), 0.1 * noise))


def cluster(rank: int, name: str) -> dict[str, Any]:
    """Extract and cluster with the weights of one seed and the statistics of ``rank``."""
    torch.manual_seed(0)
    cfg = copy.deepcopy(TINY[name].cfg)
    cfg["backbone"]["norm_cfg"] = {"type": "BN"}
    model = build_algorithm(cfg)
    model.init_weights()
    disturb(model, rank)
    before = [buffer.clone() for buffer in running_statistics(model)]
    images = Clustered(name)
    images.noisy = lambda view: view  # type: ignore[method-assign]
    loader = build_dataloader(images, samples_per_gpu=4, workers_per_gpu=0, dist=False)
    extractor = dict(dataset=images, samples_per_gpu=4, workers_per_gpu=0)
    options = {k: v for k, v in hooks(name, extractor=extractor)[0].items() if k != "type"}
    hook = DeepClusterHook(**options, dist_mode=dist.is_distributed(), data_loaders=[loader])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    runner = SimpleNamespace(model=model, optimizer=optimizer, logger=LOGGER, epoch=0)
    torch.manual_seed(rank)  # ranks draw different weights for the new head
    hook.before_run(runner)
    own = all(map(torch.equal, before, running_statistics(model)))
    weights = {k: v for k, v in model.state_dict().items() if "running" not in k}
    gets = hook.extractor(runner) is not None
    hook.extractor.everywhere = True
    features = hook.extractor(runner)
    return dict(weights=weights, labels=images.labels, features=features, own=own, gets=gets)


@pytest.mark.parametrize("name", ["DeepCluster", "ODC"])
def test_two_ranks_cluster_as_one_does(name: str, tmp_path: Path) -> None:
    alone = cluster(0, name)
    assert alone["features"].std() > 0.01
    ranks = run_ranks(cluster, tmp_path, name)
    assert [got["gets"] for got in ranks] == [True, name == "ODC"]  # a memory bank on each rank
    for got in ranks:
        torch.testing.assert_close(
            torch.from_numpy(got["features"]), torch.from_numpy(alone["features"])
        )
        assert got["labels"].tolist() == alone["labels"].tolist()
        for key, value in alone["weights"].items():
            torch.testing.assert_close(got["weights"][key], value, msg=key)
        assert got["own"], "a rank keeps its own statistics"


def validate(rank: int, by_epoch: bool) -> tuple[float, bool]:
    """Return the validation loss of a rank on all images, and whether its statistics are back."""
    torch.manual_seed(0)
    module = TinyModel()
    model = wrap_model(module, dist.is_distributed())
    disturb(module, rank)  # later: the wrapper makes them equal once
    before = [buffer.clone() for buffer in running_statistics(module)]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    options = dict(optimizer=optimizer, logger=LOGGER, meta={})
    runner: Any = (
        EpochBasedRunner(model, max_epochs=1, **options)
        if by_epoch
        else IterBasedRunner(model, max_iters=1, **options)
    )
    few = Subset(TinyData(8), range(4))
    module.backbone.bn1.momentum = 0.0  # the training of this test leaves the statistics alone
    loaders = [DataLoader(few, batch_size=4), DataLoader(TinyData(8), batch_size=8)]
    runner.run(loaders, [("train", 1), ("val", 1)])
    return float(runner.outputs["loss"]), all(map(torch.equal, before, running_statistics(module)))


@pytest.mark.parametrize("by_epoch", [True, False])
def test_ranks_validate_one_network(by_epoch: bool, tmp_path: Path) -> None:
    alone = validate(0, by_epoch)
    for got in run_ranks(validate, tmp_path, by_epoch):
        assert got == (pytest.approx(alone[0]), True)


def evaluate(rank: int) -> list[torch.Tensor]:
    """Return the scores of all images, and the statistics, after the evaluation of a training."""
    torch.manual_seed(0)
    module = TinyModel()
    disturb(module, rank)
    runner = SimpleNamespace(
        model=module,
        hooks=[],
        log_buffer=SimpleNamespace(output={}),
        logger=LOGGER,
        work_dir=None,
        meta=None,
        iter=0,
        epoch=0,
    )
    scores: list[torch.Tensor] = []

    def test_fn(model: torch.nn.Module, loader: Any) -> Any:
        results = collect_results(model, loader)
        scores.append(torch.from_numpy(results["head0"]))
        return results

    hook = EvalHook(DataLoader(TinyData(9), batch_size=4), test_fn=test_fn)
    hook._do_evaluate(runner)
    return scores


def test_ranks_evaluate_one_network(tmp_path: Path) -> None:
    alone = evaluate(0)
    for got in run_ranks(evaluate, tmp_path):
        torch.testing.assert_close(got, alone)
