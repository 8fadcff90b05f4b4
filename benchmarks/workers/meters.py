"""Time and memory of a block of a measurement, in seconds and MiB."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

MIB = 2**20
Figures = dict[str, float]


def status(name: str) -> float:
    """Return a line of /proc/self/status in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def private(*wanted: str) -> float:
    """Return the memory that this process shares with no other, and what is in swap, in MiB."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    wanted = wanted or ("Private_Clean", "Private_Dirty", "Swap:")
    return sum(float(line.split()[1]) for line in lines if line.startswith(wanted)) / 1024


class Meter:
    """Time, CPU time and memory of a block."""

    def __enter__(self) -> "Meter":
        Path("/proc/self/clear_refs").write_text("5")  # the peak restarts
        self.before = status("VmRSS")
        self.begin = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *error: object) -> None:
        self.seconds = time.perf_counter() - self.begin[0]
        self.cpu = time.process_time() - self.begin[1]
        self.peak = status("VmHWM") - self.before
        self.kept = status("VmRSS") - self.before

    def figures(self) -> Figures:
        """Return what was measured."""
        return dict(seconds=self.seconds, cpu=self.cpu, peak=self.peak, memory=self.kept)


def in_fork(work: Callable[[], None], *wanted: str) -> float:
    """Return how much private memory, see ``private``, a forked process has after its work."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        before = private(*wanted)
        work()
        os.write(write, json.dumps(private(*wanted) - before).encode())
        os._exit(0)
    os.waitpid(child, 0)
    return float(json.loads(os.read(read, 100)))


def write_list(path: Path, images: int) -> None:
    """Write a list of images in a thousand classes, with names as those of ImageNet."""
    with path.open("w") as file:
        for i in range(images):
            file.write(f"n{i % 1000:08d}/n{i % 1000:08d}_{i}.JPEG {i % 1000}\n")
