"""Two machines that share no folder, as two network namespaces: a node is lost, the run resumes.

It needs root and ``ip`` (iproute2), else it is skipped.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from mmselfsup.core.checkpoint import load_state
from tests.tools.command import ROOT, run_nodes

#: Seconds in which a node must end after another one was killed.
NOTICES_S = 60
EPOCHS = 4
HOOK = """
import os, time
from mmcv.runner import HOOKS, Hook

@HOOKS.register_module()
class Slow(Hook):
    def after_train_iter(self, runner):
        if os.environ.get("SLOW") and runner.iter > 2:
            open("third", "w").close()
            time.sleep(0.5)
"""


def ip(*args: str) -> bool:
    """Run ``ip``; return whether it worked."""
    tool = shutil.which("ip")
    return tool is not None and subprocess.run([tool, *args], capture_output=True).returncode == 0


@pytest.fixture
def network() -> Iterator[list[str]]:
    """Two namespaces with one cable between them, 10.77.0.1 and 10.77.0.2."""
    names = [f"mmselfsup{os.getpid()}{end}" for end in "ab"]
    devices = [f"v{os.getpid()}{end}" for end in "ab"]
    try:
        if os.getuid() or not all(ip("netns", "add", name) for name in names):
            pytest.skip("network namespaces need root and the command ip")
        made = ip("link", "add", devices[0], "type", "veth", "peer", "name", devices[1])
        for number, (name, device) in enumerate(zip(names, devices, strict=True), 1):
            made = made and ip("link", "set", device, "netns", name)
            made = made and ip("-n", name, "link", "set", device, "name", "cable")
            made = made and ip("-n", name, "addr", "add", f"10.77.0.{number}/24", "dev", "cable")
            for link in ("cable", "lo"):
                made = made and ip("-n", name, "link", "set", link, "up")
        if not made:
            pytest.skip("no virtual cable can be made here")
        yield names
    finally:
        for name in names:
            ip("netns", "del", name)  # the cable goes with it


@pytest.fixture
def folders(place: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The folder of each node, with the same data and config and no common work dir."""
    with open(place / "simclr.py", "a") as file:
        file.write(
            "custom_imports = dict(imports=['slow_hook'])\ncustom_hooks = [dict(type='Slow')]\n"
            f"runner = dict(type='EpochBasedRunner', max_epochs={EPOCHS})\n"
        )
    (place / "slow_hook.py").write_text(HOOK)
    nodes = [tmp_path_factory.mktemp(f"node{number}") / "run" for number in range(2)]
    for node in nodes:
        shutil.copytree(place, node)
    return nodes


@pytest.fixture
def start(network: list[str], folders: list[Path]) -> Iterator[Callable[..., list[Any]]]:
    """Start ``tools/dist_train.sh`` on both nodes; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def call(*argv: str, **env: str) -> list[Any]:
        skipped = ("RANK", "WORLD_SIZE", "MASTER_", "GLOO_", "NCCL_")
        own = {k: v for k, v in os.environ.items() if not k.startswith(skipped)}
        common = {"NNODES": "2", "MASTER_ADDR": "10.77.0.1", "PYTHON": sys.executable}
        common |= {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", **env}
        now = [
            subprocess.Popen(
                ["ip", "netns", "exec", name, "bash", str(ROOT / "tools/dist_train.sh"),
                 "simclr.py", "1", "--work_dir", "out", "--seed", "0", "--auto-resume", *argv],
                cwd=folder, text=True, start_new_session=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                env={**own, **common, "NODE_RANK": str(number), "PYTHONPATH": str(folder)},
            )
            for number, (name, folder) in enumerate(zip(network, folders, strict=True))
        ]  # fmt: skip
        started.extend(now)
        return now

    yield call
    for name in network:
        kill(name)
    for process in started:
        process.communicate()


def kill(name: str) -> None:
    """Kill all processes of a node at once: torchrun puts each of its own in a new session."""
    found = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True)
    for pid in found.stdout.split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)


def wait_for(path: Path, process: Any) -> None:
    """Wait until a file is there."""
    end = time.time() + 300
    while not path.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.time() < end, f"no {path}"
        time.sleep(0.05)


def test_a_node_is_lost_and_the_run_resumes_bit_for_bit(
    start: Callable[..., list[Any]],
    network: list[str],
    folders: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    processes = start(SLOW="1")
    wait_for(folders[1] / "third", processes[1])
    begin = time.time()
    kill(network[1])
    text = processes[0].communicate(timeout=NOTICES_S)[0]
    assert time.time() - begin < NOTICES_S
    assert processes[0].returncode == 2, text
    lines = [line for line in text.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, text
    assert "another process has ended or doesn't answer" in lines[0]
    assert "Traceback" not in text
    assert (folders[0] / "out/latest.pth").exists()
    assert not list((folders[1] / "out").glob("*.pth")), "the first node writes the checkpoints"

    # As the page says: the second node needs the file of the first one.
    shutil.copytree(folders[0] / "out", folders[1] / "out", symlinks=True, dirs_exist_ok=True)
    resumed = start()
    texts = [process.communicate(timeout=400)[0] for process in resumed]
    assert [process.returncode for process in resumed] == [0, 0], "\n".join(texts)
    assert "resumed from" in texts[0]

    monkeypatch.syspath_prepend(folders[0])  # for the hook
    argv = ("simclr.py", "--work_dir", "whole", "--seed", "0")
    undisturbed = run_nodes("train.py", *argv, folders=folders)
    assert [done.code for done in undisturbed] == [0, 0], undisturbed[0].text
    got, whole = (
        load_state(str(folders[0] / run / f"epoch_{EPOCHS}.pth")) for run in ("out", "whole")
    )
    for key, value in whole["state_dict"].items():
        assert torch.equal(got["state_dict"][key], value), key
