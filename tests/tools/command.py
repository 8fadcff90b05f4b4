"""Run a script of tools/ as from a shell, but in a fork, which has torch loaded already."""

import multiprocessing
import os
import runpy
import sys
from dataclasses import dataclass
from pathlib import Path

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
    output = folder / "output.txt"
    process = multiprocessing.get_context("fork").Process(
        target=_be_tool, args=(ROOT / "tools" / script, argv, folder, output, env or {})
    )
    process.start()
    process.join(120)
    if process.is_alive():
        process.kill()
        raise AssertionError(f"{script} {argv} hangs:\n{output.read_text()}")
    return Done(process.exitcode if process.exitcode is not None else -1, output.read_text())


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
