"""Freed memory is kept on a CPU with glibc, and only where nobody has said otherwise."""

import platform
import subprocess
import sys

import pytest

from mmselfsup.utils.memory_allocator import keep_freed_memory

CHOICES = ["MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES", "LD_PRELOAD"]
glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
HELD = """
import resource, sys, torch
from mmselfsup.utils.memory_allocator import keep_freed_memory
def pages():
    return int(open("/proc/self/statm").read().split()[1])
if sys.argv[1] == "keep":
    assert keep_freed_memory()
before = pages()
torch.ones(2**24)  # 64 MiB, more than glibc ever keeps by itself
print((pages() - before) * resource.getpagesize() // 2**20)
"""


def held(mode: str) -> int:
    """MiB that the process still holds after it has freed 64."""
    command = [sys.executable, "-c", HELD, mode]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@glibc
def test_the_next_step_gets_the_memory_of_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CHOICES:
        monkeypatch.delenv(name, raising=False)
    assert held("leave") < 32 < 60 < held("keep")


@pytest.mark.parametrize("name", CHOICES)
def test_who_has_chosen_is_left_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "")
    assert not keep_freed_memory()


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed_memory()
