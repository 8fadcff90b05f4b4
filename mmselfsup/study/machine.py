"""Where a study ran: versions and machine, and how its trainings share the machine."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from mmselfsup.utils.errors import UserError

_PACKAGES = ("torch", "torchvision", "mmcv", "mmcls", "numpy", "scikit-learn", "opencv-python")
_MAX_JOBS = 4


@dataclass(frozen=True)
class Machine:
    """How trainings are run here.

    Attributes:
        cores: Cores this process may use.
        gpus: GPUs in sight.
        warm: Run tools in forks of this process, see `launch`.
    """

    cores: int
    gpus: int
    warm: bool

    def jobs(self, wanted: int, count: int) -> int:
        """Give how many of `count` trainings run at a time; wanted 0: one a GPU, or four."""
        return max(1, min(count, wanted or (1 if self.gpus else min(_MAX_JOBS, self.cores))))

    def threads(self, jobs: int) -> int:
        """Give the threads of each of several trainings at a time."""
        return max(1, self.cores // jobs)


def look() -> Machine:
    """Look at the machine; loads torch."""
    import torch

    from .launch import warm_up

    return Machine(len(os.sched_getaffinity(0)), torch.cuda.device_count(), warm_up())


def check_gpus(wanted: int) -> None:
    """Check that there is a GPU for each process of a training.

    Raises:
        UserError: There are fewer.
    """
    if wanted == 0:
        return
    import torch

    found = torch.cuda.device_count()
    if wanted > found:
        there = f"there are {found}" if found else "there is none; without GPUS the CPU is used"
        raise UserError(f"GPUS={wanted}: {there}")


def environment(machine: Machine) -> dict[str, str]:
    """Describe versions and machine; no names of people or hosts."""
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(machine.gpus)]
    versions = []
    for name in _PACKAGES:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return {
        "Machine": f"{_processor()}, {machine.cores} cores, {'; '.join(gpus) or 'no GPU'}",
        "System": f"{platform.system()} {platform.machine()}",
        "Versions": ", ".join([f"Python {platform.python_version()}", *versions]),
    }


def _processor() -> str:
    """Name the processor."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown processor"
