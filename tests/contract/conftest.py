"""Two gloo processes, started once for all tests of this folder."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent
# ``two_ranks.py`` also runs as a script, which imports ``tiny_models`` without a package; the tests
# must import it in the same way.
sys.path.insert(0, str(HERE))


def free_port() -> int:
    """Return a free port of this machine."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@pytest.fixture(params=["cpu", "cuda"], scope="session")
def device(request: pytest.FixtureRequest) -> torch.device:
    """Return each device that the tests of a method run on: the CPU, and a GPU where there is one.

    A test that takes this fixture runs once on each.
    """
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    return torch.device(request.param)


@pytest.fixture(scope="session")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """Return the results that ``two_ranks.py`` saved, one entry for each rank."""
    out = tmp_path_factory.mktemp("two_ranks")
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "1",
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "CUDA_VISIBLE_DEVICES": "",
    }
    command = [sys.executable, "-W", "ignore", str(HERE / "two_ranks.py"), str(out)]
    processes = [
        subprocess.Popen(
            command, env={**env, "RANK": str(r), "LOCAL_RANK": str(r)}, stderr=subprocess.PIPE
        )
        for r in range(2)
    ]
    try:
        errors = [p.communicate(timeout=600)[1].decode() for p in processes]
    finally:
        for process in processes:
            process.kill()
    assert [p.returncode for p in processes] == [0, 0], "\n".join(errors)
    return [torch.load(out / f"rank{r}.pt", weights_only=False) for r in range(2)]
