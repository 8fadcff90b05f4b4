"""Folders, seeds, devices."""

import os
import random
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmcv import Config

from mmselfsup.apis import init_random_seed, set_random_seed
from mmselfsup.apis.launch import (
    _check_local_ranks,
    join_ranks,
    open_work_dir,
    refuse_other_run,
    work_dir_of,
)
from mmselfsup.utils.device import choose_device, default_device
from mmselfsup.utils.errors import UserError


@pytest.mark.parametrize(
    ("config", "folder"),
    [
        ("configs/selfsup/simclr/a.py", "work_dirs/selfsup/a"),
        ("configs/benchmarks/classification/imagenet/b.py", "work_dirs/benchmarks/b"),
        ("./configs/selfsup/a.py", "work_dirs/selfsup/a"),
        ("/srv/code/configs/selfsup/moco/a.py", "work_dirs/selfsup/a"),
        ("my/own/c.py", "work_dirs/own/c"),
        ("/elsewhere/c.py", "work_dirs/c"),
        ("c.py", "work_dirs/c"),
    ],
)
def test_default_work_dir(config: str, folder: str) -> None:
    assert work_dir_of(config) == folder


def test_work_dir_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="can't write the work dir"):
        open_work_dir(str(tmp_path / "file" / "x"))
    open_work_dir(str(tmp_path / "new" / "x"))
    assert not list((tmp_path / "new" / "x").iterdir())


def test_two_processes_of_one_id_open_one_work_dir(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In containers the first process is number 1 on every node."""
    monkeypatch.setattr(os, "getpid", lambda: 1)
    unlink, depth = os.unlink, []

    def late_unlink(path: Any, **kwargs: Any) -> None:
        if not depth:  # the other process comes between creation and removal
            depth.append(path)
            open_work_dir(str(tmp_path))
        unlink(path, **kwargs)

    monkeypatch.setattr(os, "unlink", late_unlink)
    open_work_dir(str(tmp_path))
    assert depth
    assert not list(tmp_path.iterdir())


def test_seeds() -> None:
    assert init_random_seed(5) == 5
    assert init_random_seed() != init_random_seed()

    def draw() -> tuple[float, ...]:
        set_random_seed(3)
        return random.random(), np.random.rand(), torch.rand(()).item()

    assert draw() == draw()


def args(**kwargs: Any) -> Namespace:
    return Namespace(
        **{"launcher": "none", "gpus": None, "gpu_ids": None, "gpu_id": None, **kwargs}
    )


@pytest.mark.parametrize(
    ("given", "chosen"),
    [({}, 0), ({"gpu_id": 1}, 1), ({"gpu_ids": [1, 0]}, 1), ({"gpus": 2}, 0), ({"gpus": 1}, 0)],
)
def test_one_gpu_of_two(given: Any, chosen: int, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", used.append)
    cfg = Config({})
    ranks = join_ranks(args(**given), cfg)
    assert used == cfg.gpu_ids == [chosen]
    assert bool(ranks.note) == (given.get("gpus") == 2 or "gpu_ids" in given)


@pytest.mark.parametrize("given", [{"gpus": 3}, {"gpu_id": 2}, {"gpu_ids": [0, 5]}])
def test_more_gpus_than_there_are(given: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(UserError, match="2"):
        join_ranks(args(**given), Config({}))


def test_more_processes_than_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setitem(os.environ, "LOCAL_WORLD_SIZE", "4")
    with pytest.raises(UserError, match="4 processes on this machine, but 2 GPU"):
        _check_local_ranks("nccl")
    _check_local_ranks("gloo")


def test_device_of_the_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="device='cuda': there is no GPU"):
        join_ranks(args(), Config({"device": "cuda"}))
    with pytest.raises(UserError, match="device='npu': use 'cpu' or 'cuda'"):
        join_ranks(args(), Config({"device": "npu"}))
    used: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.cuda, "set_device", used.append)
    try:
        join_ranks(args(), Config({"device": "cpu"}))
        assert default_device() == torch.device("cpu")
        with pytest.raises(UserError, match="this machine has 0"):
            join_ranks(args(gpu_id=1), Config({"device": "cpu"}))
        assert used == []
        join_ranks(args(gpu_id=1), Config({"device": "cuda"}))
        assert used == [1]
        assert default_device() == torch.device("cuda", 1)
    finally:
        choose_device(None)


@pytest.mark.parametrize(
    "name", ["epoch_3.pth", "iter_20.pth", "stopped.pth", "best_auc_epoch_1.pth"]
)
def test_a_work_dir_with_another_run_is_refused(name: str, tmp_path: Path) -> None:
    for harmless in ("20260101_000000.log", "backbone.pth", "simclr.py", "epoch_x.pth"):
        (tmp_path / harmless).touch()
    refuse_other_run(str(tmp_path))
    (tmp_path / name).touch()
    with pytest.raises(UserError, match=rf"holds another run .*{name}.*--auto-resume.*--force"):
        refuse_other_run(str(tmp_path))
