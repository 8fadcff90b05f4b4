"""Workers that are measured in turn, round by round, so that other load affects all alike.

A worker is a script of ``benchmarks/workers/``, run by the python of any environment. It prints
``##`` and a line of JSON when it is ready, and another one for each ``go`` that it reads.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

WORKERS = Path(__file__).parent / "workers"
ROOT = Path(__file__).parents[1]
MARK = "##"


class Worker:
    """A running worker.

    Args:
        name: Name in the table.
        python: Python of its environment.
        script: File name in ``workers/``.
        settings: Settings, passed to it as JSON.
        ours: Whether it imports the package of this checkout.
        threads: Number of threads of OpenMP.
    """

    def __init__(
        self,
        name: str,
        python: str,
        script: str,
        settings: Mapping[str, Any],
        ours: bool = False,
        threads: int = 1,
    ) -> None:
        self.name = name
        env = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONWARNINGS": "ignore"}
        env.pop("PYTHONPATH", None)
        if ours:
            env["PYTHONPATH"] = str(ROOT)
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [python, str(WORKERS / script), json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=tempfile.gettempdir(),  # so that no package of this checkout can be imported
            env=env,
        )
        self.info = self.next_info()

    def next_info(self) -> dict[str, Any]:
        """Return what a worker sends when it is ready for its first work, or for the next one."""
        return self._answer()

    def go(self) -> dict[str, float]:
        """Run its work once; return ``wall`` and ``cpu`` seconds, and any other numbers."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """Wait for the worker to end."""
        self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        """Return the next line of JSON of the worker."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(MARK):
                answer: dict[str, Any] = json.loads(line[len(MARK) :])
                return answer
        self._log.seek(0)
        raise SystemExit(f"{self.name} has failed:\n{self._log.read()[-2000:]}")


def in_turn(
    workers: Sequence[Worker], rounds: int, close: bool = True
) -> dict[str, list[dict[str, float]]]:
    """Run all workers once per round, in alternating order; return the answers of each.

    Without ``close``, the workers have further work to do.
    """
    answers: dict[str, list[dict[str, float]]] = {worker.name: [] for worker in workers}
    for number in range(rounds):
        for worker in workers if number % 2 == 0 else reversed(workers):
            answers[worker.name].append(worker.go())
    for worker in workers if close else ():
        worker.close()
    return answers


def ratio(
    slow: Sequence[Mapping[str, float]], fast: Sequence[Mapping[str, float]], key: str = "wall"
) -> dict[str, float]:
    """Return the ratio of the times of ``slow`` and ``fast``: median, lowest and highest round."""
    ratios = [s[key] / f[key] for s, f in zip(slow, fast, strict=True)]
    return {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}


def median(answers: Sequence[Mapping[str, float]], key: str = "wall") -> float:
    """Return the median of one number over the rounds."""
    return statistics.median(answer[key] for answer in answers)
