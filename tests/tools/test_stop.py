"""A training that gets a signal while it runs: its exit code, its line, its files, its lock."""

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv.runner import HOOKS, Hook

from mmselfsup.apis.train import checkpoint_of_job
from mmselfsup.utils.errors import STOPPED
from mmselfsup.utils.work_dir_lock import only_one
from tests.distributed.ranks import free_port
from tests.tools.command import _finish, _start, run_tool


@HOOKS.register_module()
class NoteStart(Hook):  # type: ignore[misc]
    """Writes its process after the first iteration, and makes iterations slow if asked."""

    def after_train_iter(self, runner: Any) -> None:
        if runner.iter == 0:
            Path(os.environ["NOTE"] + os.environ.get("RANK", "0")).write_text(str(os.getpid()))
        if os.environ.get("WAIT"):
            time.sleep(0.1)


OPTIONS = ("runner.max_epochs=4", "checkpoint_config.interval=10", "data.workers_per_gpu=1")


@pytest.fixture
def start(place: Path) -> Callable[..., Any]:
    """Start a training whose first iteration is noted, by ranks that share the work dir."""
    with open(place / "simclr.py", "a") as file:
        file.write("custom_hooks = [dict(type='NoteStart')]\n")

    def call(out: str, ranks: int = 1, **env: str) -> list[Any]:
        argv = ["simclr.py", "--work_dir", out, "--seed", "0", "--auto-resume"]
        argv += ["--launcher", "pytorch"] if ranks > 1 else []
        argv += ["--cfg-options", *OPTIONS]
        size = {"WORLD_SIZE": str(ranks), "MASTER_PORT": str(free_port())}
        env = {"NOTE": str(place / f"{out}.note"), **env}
        return [
            _start("train.py", tuple(argv), place, {
                **env, **(size if ranks > 1 else {}), "MASTER_ADDR": "127.0.0.1",
                **({"RANK": str(rank), "LOCAL_RANK": str(rank)} if ranks > 1 else {}),
            })
            for rank in range(ranks)
        ]  # fmt: skip

    return call


def wait_for(path: Path) -> int:
    """Return the number of the process that wrote it."""
    until = time.monotonic() + 30
    while not (path.exists() and path.read_text()) and time.monotonic() < until:
        time.sleep(0.01)
    return int(path.read_text())


def state(path: Path) -> dict[str, Any]:
    found = torch.load(path, weights_only=True)
    return {name: found[name] for name in ("state_dict", "optimizer", "rng_state")}


def same(one: Any, two: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[k], two[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(two) and all(map(same, one, two))
    return torch.equal(one, two) if isinstance(one, torch.Tensor) else bool(one == two)


@pytest.mark.parametrize(
    ("ranks", "number"), [(1, signal.SIGTERM), (2, signal.SIGUSR1), (1, signal.SIGINT)]
)
def test_stopped_inside_an_epoch(
    ranks: int, number: signal.Signals, place: Path, start: Callable[..., Any]
) -> None:
    processes = start("stopped", ranks, WAIT="1")
    os.kill(wait_for(place / f"stopped.note{ranks - 1}"), number)  # one rank only
    done = [_finish(process, place) for process in processes]
    assert [one.code for one in done] == [STOPPED] * ranks, done[0].text
    name = "Ctrl-C" if number == signal.SIGINT else number.name
    line = rf"stopped by {name} after \d+ iterations: \S*stopped\.pth has this state"
    log = next((place / "stopped").glob("*.log")).read_text()
    assert len(re.findall(line, log)) == 1
    meta = torch.load(place / "stopped" / "latest.pth", weights_only=True)["meta"]
    assert 0 < meta["iter"] < 8
    for out in ("stopped", "whole"):
        assert [_finish(p, place).code for p in start(out, ranks)] == [0] * ranks
    assert same(*(state(place / out / "latest.pth") for out in ("stopped", "whole")))
    names = [
        {p.name for p in (place / out).iterdir() if ".log" not in p.name}
        for out in ("stopped", "whole")
    ]
    assert names[0] == names[1]
    assert (place / "stopped" / ".train.lock").read_text() == ""


def test_a_second_training_in_the_folder_is_refused(place: Path) -> None:
    with only_one(place / "run", ".train.lock", "training", "--work_dir"):
        before = sorted((place / "run").iterdir())
        done = run_tool("train.py", "simclr.py", "--work_dir", "run", folder=place)
        assert sorted((place / "run").iterdir()) == before
    assert done.code == 2
    assert re.match(r"error: another training \(process \d+, since .*\) is running in run: ",
                    done.last_line), done.text  # fmt: skip


def test_after_a_restart_by_torchrun_its_own_checkpoint_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"meta": {"epoch": 1, "iter": 3}, "state_dict": {}}, tmp_path / "epoch_1.pth")
    (tmp_path / "latest.pth").symlink_to("epoch_1.pth")
    latest = str(tmp_path / "latest.pth")
    for name in ("TORCHELASTIC_RESTART_COUNT", "MMSELFSUP_CONTINUE"):
        monkeypatch.delenv(name, raising=False)
    assert checkpoint_of_job(str(tmp_path)) is None
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert checkpoint_of_job(str(tmp_path)) == latest
    os.utime(tmp_path / "epoch_1.pth", (0, 0))  # an earlier run's
    assert checkpoint_of_job(str(tmp_path)) is None
    monkeypatch.setenv("MMSELFSUP_CONTINUE", "1")
    assert checkpoint_of_job(str(tmp_path)) == latest
