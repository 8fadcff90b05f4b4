"""The cache of images of shards: what it keeps, its limit, several processes, a full disk."""

from __future__ import annotations

import errno
import fcntl
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmselfsup.datasets.data_sources.shard_cache import ShardCache
from mmselfsup.datasets.data_sources.shard_index import Place
from mmselfsup.utils.errors import UserError


def image(number: int, size: int = 100) -> tuple[Place, bytes]:
    """Return the place of an image and its bytes."""
    data = np.random.default_rng(number).bytes(size)
    return Place("a.tar", 512 * number, size, zlib.crc32(data)), data


def filled(folder: Path, number: int, size_gb: float = 1.0) -> ShardCache:
    """Return a cache with images, each read later than the one before."""
    cache = ShardCache(str(folder), size_gb)
    for i in range(number):
        cache.put("x", *image(i))
        path = cache._path("x", image(i)[0])
        if path.exists():
            os.utime(path, (1000 + i, 1000 + i))
    return cache


def test_images_come_back_by_index_shard_and_place(tmp_path: Path) -> None:
    cache = filled(tmp_path, 3)
    for other in (cache, ShardCache(str(tmp_path))):
        assert [other.get("x", image(i)[0]) for i in range(4)] == [
            *(image(i)[1] for i in range(3)),
            None,
        ]
        assert other.get("another index", image(0)[0]) is None
        assert other.get("x", image(0)[0]._replace(shard="b.tar")) is None
    assert cache.used() == 300 == int((tmp_path / "used").read_text())


def test_the_one_read_longest_ago_goes_first(tmp_path: Path) -> None:
    cache = filled(tmp_path, 10, 1000e-9)
    assert cache.get("x", image(0)[0]) is not None  # now it is the one read last
    cache.put("x", *image(10))
    there = [i for i in range(11) if cache.get("x", image(i)[0]) is not None]
    assert there == [0, 3, 4, 5, 6, 7, 8, 9, 10]  # 90 % of the limit stay
    assert cache.used() == 900 == int((tmp_path / "used").read_text())


def test_the_limit_holds_and_larger_images_are_left_out(tmp_path: Path) -> None:
    cache = ShardCache(str(tmp_path), 1000e-9)
    for i in range(25):
        cache.put("x", *image(i, 30 + 7 * i))
        assert cache.used() <= 1000
    cache.put("x", *image(99, 1001))
    assert cache.get("x", image(99, 1001)[0]) is None


def test_damaged_files_are_read_again_and_counts_are_mended(tmp_path: Path) -> None:
    cache = filled(tmp_path, 2)
    place, data = image(0)
    cache._path("x", place).write_bytes(data[:50])
    assert cache.get("x", place) is None
    cache.put("x", place, data)
    assert cache.get("x", place) == data
    (tmp_path / "used").write_text("")  # a power cut
    cache.put("x", *image(2))
    assert int((tmp_path / "used").read_text()) == 300


def test_files_of_killed_writers_are_removed(tmp_path: Path) -> None:
    cache = filled(tmp_path, 10, 1000e-9)
    folder = cache._path("x", image(0)[0]).parent
    for name, time in ((".old.1-1", 1000), (".new.1-1", None)):
        (folder / name).write_bytes(b"x")
        if time:
            os.utime(folder / name, (time, time))
    cache.put("x", *image(10))
    assert not (folder / ".old.1-1").exists()
    assert (folder / ".new.1-1").exists()  # its writer may live


def test_processes_share_a_folder_and_its_limit(tmp_path: Path) -> None:
    children = []
    for seed in range(3):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                cache = ShardCache(str(tmp_path), 1500e-9)
                for i in np.random.default_rng(seed).permutation(30).tolist():
                    place, data = image(i)
                    found = cache.get("x", place)
                    assert found in (None, data)
                    if found is None:
                        cache.put("x", place, data)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 3
    cache = ShardCache(str(tmp_path), 1500e-9)
    assert 1000 <= cache.used() <= 1500
    assert cache.used() <= int((tmp_path / "used").read_text()) <= 1500
    assert not list(tmp_path.glob("*/.*"))


def test_an_image_is_counted_and_there_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process that counts the files anew must not miss one that is counted already."""
    cache, replace = filled(tmp_path, 1), os.replace

    def replaced(part: Path, path: Path) -> None:
        with pytest.raises(BlockingIOError), (tmp_path / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        replace(part, path)

    monkeypatch.setattr(os, "replace", replaced)
    cache.put("x", *image(7))
    assert cache.get("x", image(7)[0]) is not None


def test_a_full_disk_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    cache = filled(tmp_path, 1)
    monkeypatch.setattr(Path, "write_bytes", full)
    for i in range(5, 9):
        cache.put("x", *image(i))
    assert [r.getMessage() for r in caplog.records] == [
        f"shard_cache: can't write into {tmp_path} (No space left on device): further images of "
        "this process are read from the store each time; lower shard_cache.size_gb or make room"
    ]
    assert cache.get("x", image(0)[0]) == image(0)[1]
    assert cache.used() == 100


@pytest.mark.parametrize("size", [0, -1, "5", float("nan")])
def test_limits_that_are_none(tmp_path: Path, size: Any) -> None:
    with pytest.raises(UserError, match=r"shard_cache\.size_gb is .*: give gigabytes above 0"):
        ShardCache(str(tmp_path), size)


def test_a_folder_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"can't write .*check shard_cache\.dir"):
        ShardCache(str(tmp_path / "file"))
