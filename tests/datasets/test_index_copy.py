"""The copy of an index on a server: compared at each start, and in use while no answer comes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from mmselfsup.apis.inference.image_input import given_images
from mmselfsup.datasets.data_sources import ImageList, Shards, index_copy
from mmselfsup.datasets.data_sources import shards as shards_module
from mmselfsup.datasets.data_sources.index_copy import copy_of
from mmselfsup.datasets.data_sources.range_reads import Refused, Retry, Unavailable, Version
from mmselfsup.datasets.data_sources.shard_index import INDEX_NAME
from mmselfsup.datasets.data_sources.shard_writer import make_shards
from mmselfsup.datasets.source_check import check_files
from mmselfsup.utils.errors import StorageError, UserError
from tests.datasets.range_server import RangeServer, serving

ONCE = dict(tries=1, wait=0, timeout=5)


@pytest.fixture
def server(
    tmp_path: Path, image_folder: Path, image_list: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RangeServer]:
    """Twelve images in three shards."""
    monkeypatch.delenv("http_proxy", raising=False)
    make_shards(ImageList(str(image_folder), ann_file=str(image_list)), tmp_path / "shards", 5)
    with serving(tmp_path / "shards") as found:
        yield found


@pytest.fixture
def options(server: RangeServer, tmp_path: Path) -> dict[str, Any]:
    return dict(url=server.url, shard_cache=dict(dir=str(tmp_path / "cache")), retry=ONCE)


def make_again(server: RangeServer, images: Path, number: int = 12) -> None:
    """Make the shards again with other labels."""
    table = images.parent / "new.txt"
    table.write_text("".join(f"{i}.jpg {(i + 1) % 3}\n" for i in range(number)))
    for path in server.folder.iterdir():
        path.unlink()
    make_shards(ImageList(str(images), ann_file=str(table)), server.folder, 5)


def forget_answers(cache: Path) -> None:
    """Make the answers of the server as old as those of an earlier day."""
    for path in cache.glob("*.answer"):
        path.write_text("0" + path.read_text()[path.read_text().index("\n") :])


@pytest.mark.parametrize("number", [12, 10])
@pytest.mark.parametrize("sized", [False, True])
@pytest.mark.parametrize("tagged", [False, True])
def test_an_index_that_was_changed_on_the_server(
    server: RangeServer, options: dict[str, Any], tmp_path: Path, image_folder: Path,
    tagged: bool, sized: bool, number: int,
) -> None:  # fmt: skip
    server.tagged, server.sized = tagged, sized
    labels = Shards(**options).get_gt_labels()
    server.requests.clear()
    assert (Shards(**options).get_gt_labels() == labels).all()
    assert len(server.requests) == (1 if tagged else 2)  # without a tag its bytes are compared
    server.faults = [503]  # the server is busy: the copy serves
    assert (Shards(**options).get_gt_labels() == labels).all()
    assert not server.faults
    forget_answers(tmp_path / "cache")
    for note in (tmp_path / "cache").glob("*.version"):
        note.unlink()  # as without this file in an older version of the package
    assert (Shards(**options).get_gt_labels() == labels).all()
    assert len(list((tmp_path / "cache").glob("*.version"))) == tagged
    size = (server.folder / INDEX_NAME).stat().st_size
    make_again(server, image_folder, number)
    assert ((server.folder / INDEX_NAME).stat().st_size == size) is (number == 12)
    with pytest.raises(UserError, match=r"index\.safetensors has changed since it was copied"):
        Shards(**options)
    for path in (tmp_path / "cache").glob("*.safetensors"):
        path.unlink()
    assert Shards(**options).get_gt_labels().tolist() == [(i + 1) % 3 for i in range(number)]


def test_a_service_of_fsspec_without_tags(
    server: RangeServer, tmp_path: Path, image_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec
    from fsspec.implementations.memory import MemoryFileSystem

    def info(self: Any, path: str, **kwargs: Any) -> dict[str, Any]:
        return dict(name=path, size=len(self.cat_file(path)), type="file")

    def upload() -> None:
        for path in server.folder.iterdir():
            fsspec.filesystem("memory").pipe(f"/untagged/{path.name}", path.read_bytes())

    monkeypatch.setattr(MemoryFileSystem, "info", info)
    upload()
    options = dict(url="memory://untagged", shard_cache=dict(dir=str(tmp_path / "cache")))
    for _ in range(2):
        assert Shards(**options).get_gt_labels().tolist() == [i % 3 for i in range(12)]
    make_again(server, image_folder)
    upload()
    with pytest.raises(UserError, match="has changed since it was copied"):
        Shards(**options)


def test_a_server_that_hangs_is_asked_once(
    server: RangeServer, options: dict[str, Any], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    Shards(**options)
    server.requests.clear()
    server.faults = ["never"] * 9
    options["retry"] = dict(tries=3, wait=0, timeout=0.2)
    for _ in range(3):
        caplog.clear()
        assert len(Shards(**options)) == 12
        assert r"index.safetensors: no answer in 0.2 s): its copy " in caplog.text
    assert len(server.requests) == 1
    server.faults.clear()
    caplog.clear()
    forget_answers(tmp_path / "cache")
    assert len(Shards(**options)) == 12
    assert not caplog.text


def test_the_question_has_a_short_timeout(
    server: RangeServer, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    timeouts: list[float] = []
    opened = shards_module.open_store

    def open_store(url: str, timeout: float, options: Any = None) -> Any:
        timeouts.append(timeout)
        return opened(url, timeout, options)

    monkeypatch.setattr(shards_module, "open_store", open_store)
    Shards(**{**options, "retry": dict(timeout=30)})
    assert timeouts == [30, 5]
    assert Retry(tries=9, timeout=30).once() == Retry(tries=1, timeout=5)
    assert Retry(timeout=2).once().timeout == 2


class Asked:
    """A store that answers the first question when ``number`` processes want to know."""

    def __init__(self, answer: Exception | bytes) -> None:
        self.answer, self.all_wait, self.calls = answer, threading.Event(), 0

    def version(self, name: str) -> Version:
        assert self.all_wait.wait(30)
        self.calls += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return Version(len(self.answer), "")

    def read(self, name: str, offset: int, size: int | None) -> bytes:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("answer", [b"index", Unavailable("busy"), Refused("gone")])
def test_those_that_wait_take_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Any, there: bool
) -> None:
    store, lock, count = Asked(answer), threading.Lock(), [0]
    copy = tmp_path / "copy"
    if there:
        copy.write_bytes(b"index")
    file_lock: Callable[[Path], AbstractContextManager[None]] = index_copy.file_lock

    def counted(path: Path) -> AbstractContextManager[None]:
        with lock:
            count[0] += 1
            if count[0] == 4:
                store.all_wait.set()
        return file_lock(path)

    monkeypatch.setattr(index_copy, "file_lock", counted)

    def take(_: int) -> str:
        try:
            copy_of(store, store, "name", copy, Retry(tries=1), "INDEX")
        except StorageError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(4) as pool:
        failures = set(pool.map(take, range(4)))
    assert store.calls == 1
    assert len(failures) == 1
    assert bool(failures.pop()) is (isinstance(answer, Exception) and not there)
    assert copy.is_file() is (there or isinstance(answer, bytes))


def test_images_in_the_cache_need_no_server(
    server: RangeServer, options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    source = Shards(**options)
    server.faults = [503]
    with pytest.raises(StorageError, match="HTTP 503"):
        check_files(source, "data.train")  # nothing is in the cache
    images = [source.read_bytes(i) for i in range(12)]
    server.faults = [503] * 99
    server.requests.clear()
    again = Shards(**options)
    check_files(again, "data.train")
    assert [again.read_bytes(i) for i in range(12)] == images
    assert len(server.requests) == 2
    assert "the shards are not checked (" in caplog.text
    server.faults.clear()
    (server.folder / "images-000000.tar").unlink()
    with pytest.raises(StorageError, match="no such file"):
        check_files(again, "data.train")  # this is an answer


@pytest.mark.parametrize("sized", [False, True])
def test_truncated_shards_are_noticed_before_a_run(
    server: RangeServer, options: dict[str, Any], sized: bool
) -> None:
    server.sized = sized
    check_files(Shards(**options), "data.train")
    path = server.folder / "images-000002.tar"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StorageError, match=r"images-000002\.tar .*truncated"):
        check_files(Shards(**options), "data.train")


def test_errors_of_images_at_an_address_name_it(server: RangeServer) -> None:
    index, path = f"{server.url}/{INDEX_NAME}", server.folder / "images-000002.tar"
    image = given_images(server.url)[11]
    content = path.read_bytes()
    path.write_bytes(content[::-1])
    with pytest.raises(StorageError, match=rf"line 12 of {index}\)"):
        image.source.read_bytes(11)  # type: ignore[union-attr]
    path.write_bytes(content[:-1])
    with pytest.raises(StorageError, match=rf"\(index {index}\): the shard has"):
        given_images(index)
    (server.folder / INDEX_NAME).write_bytes(b"no index")
    with pytest.raises(UserError, match=f"^{index}: this index is damaged"):
        given_images(server.url)
