"""The runner, its logs, its checkpoints and the collection of results on two ranks."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from mmselfsup.apis.train import wrap_model
from mmselfsup.core.runner import EpochBasedRunner, TensorLogBuffer
from mmselfsup.datasets import build_dataloader
from mmselfsup.utils import dist
from mmselfsup.utils.collect import collect_results, dist_forward_collect
from mmselfsup.utils.errors import UserError
from tests.distributed.ranks import run_ranks
from tests.runner.fakes import TinyData, TinyModel, make_runner, quiet_logger, weights


def plain_model() -> TinyModel:
    """Without dropout and batch norm the joined batch must give the same gradient."""
    torch.manual_seed(0)
    model = TinyModel()
    model.backbone[1], model.head[0] = nn.Identity(), nn.Identity()
    return model


def train_plain(batch: int) -> tuple[list[Any], float]:
    """Three epochs without shuffling; the weights and the mean loss of the last epoch."""
    model = wrap_model(plain_model(), distributed=True)
    runner = EpochBasedRunner(
        model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.05),
        logger=quiet_logger(),
        max_epochs=3,
    )
    runner.register_training_hooks(None, optimizer_config={})
    data = TinyData(16, noise=0.0)
    loader = build_dataloader(data, samples_per_gpu=batch, workers_per_gpu=0, shuffle=False, seed=0)
    runner.run([loader], [("train", 1)])
    runner.log_buffer.average(2)
    return weights(runner), runner.log_buffer.output["loss"]


def _train(rank: int) -> Any:
    found, loss = train_plain(4)
    return found, loss, isinstance(wrap_model(plain_model(), True), DistributedDataParallel)


def test_two_ranks_train_as_one_on_the_joined_batch(tmp_path: Path) -> None:
    alone, loss = train_plain(8)
    for found, rank_loss, wrapped in run_ranks(_train, tmp_path):
        assert wrapped
        assert rank_loss == pytest.approx(loss, rel=1e-5)
        for a, b in zip(found, alone, strict=True):
            torch.testing.assert_close(a, b)


def _log(rank: int) -> Any:
    buffer = TensorLogBuffer()
    buffer.update({"loss": torch.tensor(1.0 + rank), "time": 5.0 * rank}, count=1 + rank)
    if rank == 1:
        buffer.update({"only_here": torch.tensor(7.0)})
    buffer.average()
    values = dict(buffer.output)
    buffer.iteration = 3
    buffer.update({"loss": torch.tensor(math.nan if rank else 1.0)})
    try:
        buffer.average()
    except UserError as error:
        return values, str(error)
    return values, ""


def test_log_lines_are_means_over_ranks_and_one_rank_stops_all(tmp_path: Path) -> None:
    results = run_ranks(_log, tmp_path)
    for rank, (values, message) in enumerate(results):
        assert values["loss"] == pytest.approx((1 * 1 + 2 * 2) / 3)
        assert values["time"] == 5.0 * rank
        assert message.startswith("rank 1: the loss is not finite at iteration 4")
    assert results[0][0]["only_here"] == 7.0 or "only_here" not in results[0][0]


def _collect(rank: int, length: int) -> Any:
    data = TinyData(length, noise=0.0)
    loader: Any = DataLoader(data, batch_size=3, shuffle=True, drop_last=True)
    model = plain_model().train()
    results = collect_results(DistributedDataParallel(model), loader)
    assert model.training
    only_first = dist_forward_collect(lambda **b: {"i": b["idx"]}, loader, rank, length, ret_rank=0)
    return results["head0"], only_first.get("i")


@pytest.mark.parametrize("length", [1, 7, 12])
def test_each_sample_once_in_order(length: int, tmp_path: Path) -> None:
    data, model = TinyData(length, noise=0.0), plain_model().eval()
    with torch.no_grad():
        images = torch.stack([data[i]["img"] for i in range(length)])
        expected = model(images, torch.zeros(length), mode="test")["head0"].numpy()
    alone = collect_results(model, DataLoader(data, batch_size=4, shuffle=True))
    np.testing.assert_allclose(alone["head0"], expected, rtol=1e-5)
    results = run_ranks(_collect, tmp_path, length)
    for scores, _ in results:
        np.testing.assert_allclose(scores, expected, rtol=1e-5)
    assert results[0][1].tolist() == list(range(length))
    assert results[1][1] is None


def _resume(rank: int, folder: str) -> Any:
    def run(runner: Any) -> Any:
        data = TinyData(16)
        loader = build_dataloader(data, samples_per_gpu=4, workers_per_gpu=0, seed=1)
        torch.manual_seed(rank)  # ranks differ: each must find its own random state again
        runner.model = wrap_model(runner.model, distributed=True)
        runner.run([loader], [("train", 1)])
        return weights(runner)

    first = make_runner(EpochBasedRunner, folder, max_epochs=4)
    first.register_checkpoint_hook({"interval": 2})
    whole = run(first)
    dist.barrier()
    later = make_runner(EpochBasedRunner, folder, max_epochs=4)
    later.resume(f"{folder}/epoch_2.pth")
    resumed = run(later)
    same = all(torch.equal(a, b) for a, b in zip(whole, resumed, strict=True))
    states = torch.load(f"{folder}/epoch_2.pth", weights_only=True)["rng_state"]
    return same, len(states), torch.equal(states[0]["torch"], states[1]["torch"])


def test_resume_on_two_ranks_is_bit_equal(tmp_path: Path) -> None:
    results = run_ranks(_resume, tmp_path, str(tmp_path))
    # Buffers of batch norm are each rank's own; the checkpoint has those of the first.
    assert results[0] == (True, 2, False)
