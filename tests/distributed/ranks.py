"""Run a function in two gloo processes and hand back what each of them returns."""

import os
import socket
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.multiprocessing as mp

from mmselfsup.utils import dist


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def run_ranks(
    function: Callable[..., Any], folder: Path, *args: Any, num: int = 2, seconds: float = 60
) -> list[Any]:
    """Call ``function(rank, *args)`` in ``num`` processes of one gloo group.

    Args:
        function: At the top level of a module; returns tensors and plain values.
        folder: Where the results lie meanwhile.
        *args: Further arguments.
        num: Number of processes.
        seconds: How long each of them may take.
    """
    # A fork starts at once, but can't use a GPU that its parent has looked at.
    context = mp.get_context("spawn" if torch.cuda.is_available() else "fork")
    port = free_port()
    processes = [
        context.Process(target=_be_rank, args=(rank, num, port, folder, function, args))
        for rank in range(num)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(seconds)
        if process.is_alive():
            process.kill()
            raise AssertionError("a rank hangs")
    results = [torch.load(folder / f"rank{r}.pt", weights_only=False) for r in range(num)]
    failures = [result[1] for result in results if result[0] == "failed"]
    assert not failures, "\n".join(failures)
    return [result[1] for result in results]


def _be_rank(
    rank: int, num: int, port: int, folder: Path, function: Callable[..., Any], args: Any
) -> None:
    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": num, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in names.items()})
    os.environ["MASTER_ADDR"] = "127.0.0.1"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    # PyTorch makes its pool of threads anew at the first use after a fork; two threads that come
    # first at once abort the process ("Invalid thread pool!").
    torch.set_num_threads(torch.get_num_threads())
    try:
        dist.init_dist("pytorch", backend="gloo")
        result = ("done", function(rank, *args))
    except BaseException:
        result = ("failed", traceback.format_exc())
    torch.save(result, folder / f"rank{rank}.pt")
    os._exit(0)  # the other rank may still be waiting for this one
