"""How many CPUs this process may use: the answer to "how many threads, workers, jobs"."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")


def available_cores() -> int:
    """Return the number of CPUs that this process may use, at least 1.

    ``os.cpu_count`` counts those of the machine. Fewer are usable under ``taskset``, cpusets and
    Slurm (affinity), and in containers with a quota of CPU time (Docker's ``--cpus``, the limits of
    Kubernetes): 64 threads that share the time of two CPUs mostly wait for each other. A quota of
    a part of a CPU counts as a whole one.
    """
    return max(1, min([_cores_by_affinity(), *(math.ceil(quota) for quota in _quotas())]))


def has_quota() -> bool:
    """Return whether a quota allows fewer CPUs than the process can see."""
    return available_cores() < _cores_by_affinity()


def _cores_by_affinity() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas() -> Iterator[float]:
    """Yield the quotas, in CPUs, of all control groups that this process belongs to.

    The quotas of the groups around a group hold for it as well. In a container the path of the
    group may be that of the host, of which only the last folder is visible, as the root.
    """
    try:
        lines = _OWN_GROUPS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:  # number:controllers:path
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not controllers:
            roots, read = [_CGROUPS, _CGROUPS / "unified"], _quota_v2
        elif "cpu" in controllers.split(","):
            roots, read = [_CGROUPS / controllers, _CGROUPS / "cpu"], _quota_v1
        else:
            continue
        inside = Path(path.strip("/"))
        for root in roots:
            for group in (inside, *inside.parents):
                quota = read(root / group)
                if quota is not None and quota > 0:
                    yield quota


def _quota_v2(group: Path) -> float | None:
    """Return the quota of a group of cgroup version 2; None without one."""
    text = _read(group / "cpu.max").split()  # "max 100000" or "150000 100000", microseconds
    return _ratio(text[0], text[1]) if len(text) == 2 else None


def _quota_v1(group: Path) -> float | None:
    """Return the quota of a group of cgroup version 1; None without one, which is written as -1."""
    return _ratio(_read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us"))


def _ratio(quota: str, period: str) -> float | None:
    if not (quota.isdigit() and period.isdigit()) or int(period) == 0:
        return None
    return int(quota) / int(period)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
