"""A training that gets a signal while it runs: its exit code, its line, its files, its lock."""

import json
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
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from mmselfsup.utils.errors import STOPPED
from mmselfsup.utils.work_dir_lock import only_one
from tests.distributed.ranks import free_port
from tests.tools.command import ROOT, _be_tool, _finish, _start, run_tool


@HOOKS.register_module()
class NoteStart(Hook):  # type: ignore[misc]
    """Writes its process after the first iteration, and makes iterations slow if asked."""

    def after_train_iter(self, runner: Any) -> None:
        if runner.iter == 0:
            Path(os.environ["NOTE"] + os.environ.get("RANK", "0")).write_text(str(os.getpid()))
        if os.environ.get("WAIT"):
            time.sleep(0.1)


OPTIONS = (
    "runner.max_epochs=4", "checkpoint_config.interval=10", "data.workers_per_gpu=1",
    "custom_hooks=[dict(type='NoteStart')]",
)  # fmt: skip


@pytest.fixture
def start(place: Path) -> Callable[..., Any]:
    """Start a training whose first iteration is noted, by ranks that share the work dir."""

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
    until = time.monotonic() + 60
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


def _be_worker(place: str, options: tuple[str, ...]) -> None:
    """Be a worker of torchrun; the first one of the first group gets a signal."""
    os.setpgid(0, 0)
    rank, attempt = os.environ["RANK"], os.environ["TORCHELASTIC_RESTART_COUNT"]
    env = {"NOTE": f"{place}/elastic{attempt}.note"}
    if attempt == "0":
        env["WAIT"] = "1"
    argv = ("simclr.py", "--work_dir", "elastic", "--seed", "0", "--launcher", "pytorch",
            "--cfg-options", *options)  # fmt: skip
    output = Path(place, f"elastic{attempt}{rank}.txt")
    _be_tool(ROOT / "tools" / "train.py", argv, Path(place), output, env)


def test_torchrun_goes_on_by_itself(place: Path, start: Callable[..., Any]) -> None:
    """One of two workers gets SIGUSR1; torchrun starts both again, which continue."""
    assert [_finish(p, place).code for p in start("whole", 2)] == [0, 0]
    # What an earlier run has left is not continued.
    (place / "elastic").mkdir()
    old = place / "elastic" / "epoch_4.pth"
    old.write_bytes((place / "whole" / "epoch_4.pth").read_bytes())
    os.utime(old, (0, 0))
    (place / "elastic" / "latest.pth").symlink_to("epoch_4.pth")
    config = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=2, rdzv_backend="c10d", max_restarts=1,
        rdzv_endpoint="localhost:0", run_id="test", start_method="fork", monitor_interval=0.1,
    )  # fmt: skip
    sender = os.fork()
    if sender == 0:
        os.kill(wait_for(place / "elastic0.note1"), signal.SIGUSR1)
        os._exit(0)
    elastic_launch(config, _be_worker)(str(place), OPTIONS)
    os.waitpid(sender, 0)
    texts = [(place / f"elastic{attempt}0.txt").read_text() for attempt in range(2)]
    assert "stopped by SIGUSR1 after" in texts[0]
    assert "resumed from" in texts[1]
    assert "resumed from" not in texts[0]
    assert same(*(state(place / out / "latest.pth") for out in ("elastic", "whole")))
    assert json.loads((place / "elastic" / ".train.lock").read_text() or "{}") == {}
