"""glibc keeps freed memory, or takes blocks apart, and only where nobody has said otherwise."""

import platform
import subprocess
import sys

import pytest

from mmselfsup.utils.memory_allocator import keep_blocks_apart, keep_freed_memory

CHOICES = ["MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES", "LD_PRELOAD"]
glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
HELD = """
import resource, sys, torch
from mmselfsup.utils import memory_allocator
def pages():
    return int(open("/proc/self/statm").read().split()[1])
for name in sys.argv[2:]:
    assert getattr(memory_allocator, name)()
torch.ones(2**22)  # glibc may learn from the first one that such blocks come again
before = pages()
for _ in range(2):
    torch.ones(2**int(sys.argv[1]))
print((pages() - before) * resource.getpagesize() // 2**20)
"""


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CHOICES:
        monkeypatch.delenv(name, raising=False)


def held(exponent: int, *settings: str) -> int:
    """MiB that the process holds more after it has freed 4 * 2**exponent bytes twice."""
    command = [sys.executable, "-c", HELD, str(exponent), *settings]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@glibc
def test_the_next_step_gets_the_memory_of_this_one() -> None:
    assert held(24) < 32 < 60 < held(24, "keep_freed_memory")


@glibc
def test_a_block_apart_is_given_back() -> None:
    """Even one of 4 MiB, which glibc itself would take from the heap the second time."""
    assert held(20, "keep_blocks_apart") <= 1


@glibc
def test_memory_is_kept_after_blocks_were_apart() -> None:
    assert held(24, "keep_blocks_apart", "keep_freed_memory") > 60


@pytest.mark.parametrize("name", CHOICES)
def test_who_has_chosen_is_left_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "")
    assert not keep_blocks_apart()
    assert not keep_freed_memory()


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_blocks_apart()
    assert not keep_freed_memory()
