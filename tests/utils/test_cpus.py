"""How many CPUs a process may use: affinity, and quotas of control groups (containers)."""

import os
from pathlib import Path

import pytest

from mmselfsup.utils import cpus


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hierarchy of control groups on a machine with 64 CPUs."""
    monkeypatch.setattr(cpus, "_CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(cpus, "_OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(64), raising=False)
    return tmp_path


def write(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text + "\n")


def test_no_control_groups_no_quota(groups: Path) -> None:
    assert cpus.available_cores() == 64
    assert not cpus.has_quota()
    write(groups, "own", "0::/pod/box\n1:name=systemd:/\nnonsense")
    write(groups / "cgroup" / "pod" / "box", "cpu.max", "max 100000")
    assert cpus.available_cores() == 64


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("200000 100000", 2), ("150000 100000", 2), ("5000 100000", 1), ("0 0", 64), ("", 64)],
)
def test_version_2(groups: Path, quota: str, cores: int) -> None:
    write(groups, "own", "0::/pod/box")
    write(groups / "cgroup" / "pod" / "box", "cpu.max", quota)
    assert cpus.available_cores() == cores
    assert cpus.has_quota() == (cores < 64)


def test_the_quota_of_a_group_around_counts(groups: Path) -> None:
    write(groups, "own", "0::/pod/box")
    write(groups / "cgroup" / "pod" / "box", "cpu.max", "800000 100000")
    write(groups / "cgroup" / "pod", "cpu.max", "300000 100000")
    assert cpus.available_cores() == 3


def test_a_container_sees_its_group_as_the_root(groups: Path) -> None:
    write(groups, "own", "0::/docker/0123abc")
    write(groups / "cgroup", "cpu.max", "400000 100000")
    assert cpus.available_cores() == 4


@pytest.mark.parametrize("folder", ["cpu", "cpu,cpuacct"])
def test_version_1(groups: Path, folder: str) -> None:
    write(groups, "own", "5:memory:/box\n4:cpu,cpuacct:/box")
    group = groups / "cgroup" / folder / "box"
    write(group, "cpu.cfs_period_us", "50000")
    write(group, "cpu.cfs_quota_us", "-1")
    assert cpus.available_cores() == 64
    write(group, "cpu.cfs_quota_us", "100000")
    assert cpus.available_cores() == 2


def test_affinity_below_the_quota(groups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(groups, "own", "0::/")
    write(groups / "cgroup", "cpu.max", "800000 100000")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3})
    assert cpus.available_cores() == 1
    assert not cpus.has_quota()


def test_a_system_without_affinity(groups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS."""
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 10)
    assert cpus.available_cores() == 10
