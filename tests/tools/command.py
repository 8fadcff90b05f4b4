"""Run a script of tools/ as from a shell, but in a fork, which has torch loaded already."""

import multiprocessing
import os
import runpy
import sys
from dataclasses import dataclass
from multiprocessing.context import ForkProcess
from pathlib import Path

from tests.distributed.ranks import free_port

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    text: str

    @property
    def last_line(self) -> str:
        """The last line of its output."""
        return self.text.strip().rpartition("\n")[2]


def run_tool(script: str, *argv: str, folder: Path, env: dict[str, str] | None = None) -> Done:
    """Run ``python tools/<script> <argv>`` in ``folder``.

    Args:
        script: Path below ``tools/``.
        *argv: Arguments.
        folder: Current directory; the output is kept there meanwhile.
        env: Additions to the environment.
    """
    return _finish(_start(script, argv, folder, env or {}), folder)


def run_nodes(
    script: str, *argv: str, folders: list[Path], one_node: bool = False, **env: str
) -> list[Done]:
    """Run a script as one rank on each of several nodes, which share no folder.

    Args:
        script: path below ``tools/``.
        *argv: arguments, the same on all nodes.
        folders: current directory of each rank.
        one_node: whether the ranks are those of a single node.
        **env: additions to the environment.
    """
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), **env}
    size = str(len(folders))
    names = [
        {"RANK": str(rank), "WORLD_SIZE": size, "LOCAL_RANK": str(rank if one_node else 0)}
        for rank in range(len(folders))
    ]
    argv = (*argv, "--launcher", "pytorch")
    processes = [
        _start(script, argv, folder, {**address, **own})
        for folder, own in zip(folders, names, strict=True)
    ]
    return [_finish(process, folder) for process, folder in zip(processes, folders, strict=True)]


def _start(script: str, argv: tuple[str, ...], folder: Path, env: dict[str, str]) -> ForkProcess:
    process = multiprocessing.get_context("fork").Process(
        target=_be_tool, args=(ROOT / "tools" / script, argv, folder, folder / "output.txt", env)
    )
    process.start()
    return process


def _finish(process: ForkProcess, folder: Path) -> Done:
    text = folder / "output.txt"
    process.join(120)
    if process.is_alive():
        process.kill()
        raise AssertionError(f"{process} hangs:\n{text.read_text()}")
    return Done(process.exitcode if process.exitcode is not None else -1, text.read_text())


def _be_tool(
    script: Path, argv: tuple[str, ...], folder: Path, output: Path, env: dict[str, str]
) -> None:
    handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    # closefd: a tool that forks on and puts other files here must not close the descriptors
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    os.chdir(folder)
    os.environ.update({"CUDA_VISIBLE_DEVICES": "", **env})
    sys.argv = [str(script), *argv]
    runpy.run_path(str(script), run_name="__main__")
