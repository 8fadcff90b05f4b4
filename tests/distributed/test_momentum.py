"""Targets and queues are the same on all ranks of a whole training."""

from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv import Config

from mmselfsup.apis.train import train_model
from mmselfsup.models import build_algorithm
from tests.contract.tiny_models import TINY
from tests.distributed.ranks import run_ranks
from tests.resume.test_methods import METHODS, Samples


def _train(rank: int, name: str) -> Any:
    cfg = Config(
        dict(
            dict(optimizer=dict(type="SGD", lr=0.05)) | METHODS[name],
            log_level="ERROR",
            data=dict(samples_per_gpu=2, workers_per_gpu=0),
            lr_config=dict(policy="CosineAnnealing", min_lr=0.0),
            runner=dict(type="EpochBasedRunner", max_epochs=2),
            log_config=dict(interval=1, hooks=[]),
            seed=0,
        )
    )
    torch.manual_seed(rank)  # ranks that start apart are brought together
    cfg_model = dict(TINY[name].cfg)
    if "queue_len" in cfg_model:
        cfg_model["queue_len"] = None
    model = build_algorithm(cfg_model)
    model.init_weights()
    target = [t for _, t in model.momentum_pairs()]
    before = [p.clone() for t in target for p in t.parameters()]
    train_model(model, Samples(name), cfg, distributed=True)
    after = [p for t in target for p in t.parameters()]
    moved = sum(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    return dict(model.state_dict()), moved > 0


@pytest.mark.parametrize("name", ["MoCo", "DenseCL", "BYOL"])
@pytest.mark.filterwarnings("ignore")
def test_two_ranks_hold_the_same_state(name: str, tmp_path: Path) -> None:
    (first, moved), (second, _) = run_ranks(_train, tmp_path, name)
    assert moved
    for key, value in first.items():
        assert torch.equal(value, second[key]), key
    if name != "BYOL":
        assert first["queue"].shape == (4, 4)  # one batch of both ranks is all it can be
        assert first["queue_ptr"].item() == 0
