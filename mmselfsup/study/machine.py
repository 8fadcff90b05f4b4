"""Where a study runs: versions and machine, and how many trainings run at a time."""

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
    """How trainings are run on this machine.

    Attributes:
        cores: Cores this process may use.
        gpus: Visible GPUs.
        warm: Run tools in forks of this process, see ``launch``.
    """

    cores: int
    gpus: int
    warm: bool

    def jobs(self, wanted: int, count: int) -> int:
        """Return how many of ``count`` trainings run at a time.

        With ``wanted=0``: one on a GPU, without a GPU one per core and at most four.
        """
        return max(1, min(count, wanted or (1 if self.gpus else min(_MAX_JOBS, self.cores))))

    def threads(self, jobs: int) -> int:
        """Return the number of threads for each of ``jobs`` trainings at a time."""
        return max(1, self.cores // jobs)


def look() -> Machine:
    """Return what this machine has; loads torch."""
    import torch

    from .launch import warm_up

    # Not os.cpu_count(): taskset and cpusets may allow fewer cores.
    return Machine(len(os.sched_getaffinity(0)), torch.cuda.device_count(), warm_up())


def check_gpus(wanted: int) -> None:
    """Check that there is a GPU for each process of a training.

    Raises:
        UserError: There are fewer.
    """
    if wanted == 0:
        return
    import torch

    available = torch.cuda.device_count()
    if wanted > available:
        reason = "there is none; without GPUS the CPU is used"
        if available:
            reason = f"there are {available}"
        raise UserError(f"GPUS={wanted}: {reason}")


def environment(machine: Machine) -> dict[str, str]:
    """Describe versions and machine, without names of people or hosts."""
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
    """Return the name of the processor."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown processor"
