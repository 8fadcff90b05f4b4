"""What the ranks draw: the same weights, then numbers of their own unless asked otherwise."""

import random
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmcv import Config

from mmselfsup.apis import train
from mmselfsup.apis.launch import Ranks
from mmselfsup.core.hooks import CheckpointHook
from mmselfsup.core.runner import EpochBasedRunner
from mmselfsup.datasets import build_dataloader
from mmselfsup.utils import dist
from tests.distributed.ranks import run_ranks
from tests.runner.fakes import TinyData, make_runner


def draw() -> list[float]:
    """One number from each generator."""
    return [random.random(), float(np.random.rand()), torch.rand(()).item()]


def start(rank: int, folder: str, option: bool | None, value: bool | None) -> dict[str, Any]:
    """Run the steps of ``tools/train.py``; return what is drawn for the weights, and later."""
    drawn: dict[str, Any] = {}
    cfg = Config(dict(work_dir=folder, seed=5, diff_seed=value))
    replaced = dict(
        read_settings=lambda args: cfg,
        choose_checkpoint=lambda args, cfg: None,
        open_work_dir=lambda folder: None,
        setup_multi_processes=lambda cfg: None,
        join_ranks=lambda args, cfg: Ranks(dist.is_distributed()),
        open_log=lambda cfg: (train.get_root_logger(), "now"),
        describe_run=lambda args, cfg, logger: {"config": ""},
        build_model=lambda cfg: drawn.update(weights=draw()),
        build_datasets=lambda cfg: [None],
        train_model=lambda *args: drawn.update(training=draw()),
    )
    for name, function in replaced.items():
        setattr(train, name, function)
    train.dist.destroy, destroy = lambda: None, train.dist.destroy  # type: ignore[assignment]
    train.run_training(Namespace(config="c.py", deterministic=False, diff_seed=option))
    train.dist.destroy = destroy
    return drawn


@pytest.mark.parametrize(
    ("option", "value", "weights_differ", "training_differs"),
    [
        (None, None, False, True),
        (None, True, True, True),
        (True, False, True, True),
        (None, False, False, False),
        (False, True, False, False),
    ],
)
def test_who_draws_what(
    option: bool | None,
    value: bool | None,
    weights_differ: bool,
    training_differs: bool,
    tmp_path: Path,
) -> None:
    first, second = run_ranks(start, tmp_path, str(tmp_path), option, value)
    differ = [
        [a != b for a, b in zip(first[part], second[part], strict=True)]
        for part in ("weights", "training")
    ]
    assert differ == [[weights_differ] * 3, [training_differs] * 3]
    # The first rank draws what one process draws.
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    assert [first["weights"], first["training"]] == [draw(), draw()]


def resume(rank: int, folder: str) -> list[bool]:
    """Train on two ranks with dropout that differs, and again from checkpoints on the way."""

    def run(runner: Any) -> Any:
        loader = build_dataloader(TinyData(24), samples_per_gpu=4, workers_per_gpu=0, seed=1)
        torch.manual_seed(rank + (10 if runner.iter else 0))
        runner.model = train.wrap_model(runner.model, distributed=True)
        runner.run([loader], [("train", 1)])
        return [parameter.detach().clone() for parameter in runner.model.parameters()]

    first = make_runner(EpochBasedRunner, folder, max_epochs=3)  # 3 batches an epoch
    first.register_hook(CheckpointHook(interval=1, by_epoch=False), priority="LOW")
    whole = run(first)
    same = []
    for done in (3, 4, 8):  # between two epochs, inside one
        dist.barrier()
        later = make_runner(EpochBasedRunner, folder, max_epochs=3)
        later.resume(f"{folder}/iter_{done}.pth")
        same.append(all(map(torch.equal, whole, run(later))))
    return same


def test_resume_inside_an_epoch_on_two_ranks_is_bit_equal(tmp_path: Path) -> None:
    # Buffers of batch norm are each rank's own; the checkpoint has those of the first.
    assert run_ranks(resume, tmp_path, str(tmp_path)) == [[True] * 3] * 2
