"""Shards: written, indexed, and read with the same results as the folder that they were made of."""

from __future__ import annotations

import io
import json
import os
import pickle
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmcv import Config

from mmselfsup.datasets import build_dataset, build_datasource
from mmselfsup.datasets.data_sources import ImageList, ImageNet, Shards
from mmselfsup.datasets.data_sources.shard_index import INDEX_NAME, read_index
from mmselfsup.datasets.data_sources.shard_writer import index_shards, make_shards, read_shard
from mmselfsup.datasets.source_check import check_files, listed_files, report_shared
from mmselfsup.utils.errors import ArgumentError, StorageError, UserError
from tests.datasets.conftest import picture
from tests.datasets.range_server import RangeServer, serving

ONCE = dict(tries=1, wait=0, timeout=5)


@pytest.fixture
def shards(tmp_path: Path, image_folder: Path, image_list: Path) -> Path:
    """Twelve images in three shards."""
    make_shards(ImageList(str(image_folder), ann_file=str(image_list)), tmp_path / "shards", 5)
    return tmp_path / "shards"


@pytest.fixture
def server(shards: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RangeServer]:
    monkeypatch.delenv("http_proxy", raising=False)
    with serving(shards) as found:
        yield found


def same(source: Any, other: Any) -> bool:
    """Return whether two data sources have the same names, labels, classes and pixels."""
    assert source.image_names() == other.image_names()
    assert (source.get_gt_labels() == other.get_gt_labels()).all()
    assert source.CLASSES == other.CLASSES
    pixels = zip(*([s.get_pixels(i) for i in range(len(s))] for s in (source, other)), strict=True)
    return all(np.array_equal(a, b) for a, b in pixels)


def test_shards_are_tar_files_with_the_bytes_as_they_are(shards: Path, image_folder: Path) -> None:
    assert sorted(path.name for path in shards.glob("*.tar")) == [
        f"images-00000{i}.tar" for i in range(3)
    ]
    with tarfile.open(shards / "images-000001.tar") as tar:
        names = [f"{i}.{end}" for i in range(5, 10) for end in ("jpg", "cls")]
        assert tar.getnames() == names
        for i in range(5, 10):
            assert tar.extractfile(f"{i}.jpg").read() == (image_folder / f"{i}.jpg").read_bytes()
            assert tar.extractfile(f"{i}.cls").read() == str(i % 3).encode()
    index = read_index(shards / INDEX_NAME)
    assert index.first.tolist() == [0, 5, 10, 12]
    assert index.names == [f"{i}.jpg" for i in range(12)]
    for row in range(12):
        place, data = index.place(row), (image_folder / f"{row}.jpg").read_bytes()
        assert (place.shard, place.size) == (f"images-00000{row // 5}.tar", len(data))
        assert (shards / place.shard).read_bytes()[place.offset :][: place.size] == data
        assert place.crc == zlib.crc32(data)


def test_a_source_of_shards_is_that_of_the_folder(
    shards: Path, image_folder: Path, image_list: Path, tmp_path: Path
) -> None:
    folder = ImageList(str(image_folder), ann_file=str(image_list))
    for source in (
        Shards(index=str(shards / INDEX_NAME)),
        Shards(url=shards),
        Shards(index=shards / INDEX_NAME),
        Shards(url=str(shards), reduced_decode=True),
        Shards(url=str(shards)),
        Shards(index=str(shards / INDEX_NAME), url=f"file://{shards}"),
        Shards(str(image_folder), ann_file=str(image_list), url=str(shards)),
        pickle.loads(pickle.dumps(Shards(url=str(shards)))),
    ):
        assert same(source, folder)
    chosen = tmp_path / "chosen.txt"
    chosen.write_text("7.jpg 1\n\n0.jpg 0\n7.jpg 1\n11.jpg 2\n")
    options = dict(ann_file=str(chosen), classes=["a", "b", "c"])
    assert same(Shards(url=str(shards), **options), ImageList(str(image_folder), **options))
    split = dict(split=dict(part="train", folds=3))
    assert same(
        Shards(url=str(shards), **split),
        ImageList(str(image_folder), ann_file=str(image_list), **split),
    )
    grey = dict(color_type="grayscale")
    assert Shards(url=str(shards), **grey).get_pixels(3).ndim == 2


@pytest.mark.parametrize("grouped", [False, True])
def test_folds_are_those_of_the_folder(tmp_path: Path, image_folder: Path, grouped: bool) -> None:
    """A lesion of one image is dealt as that image, and a patient is never divided."""
    rows = [(f"{i}.jpg", i % 2, f"L{i // 2 if i < 4 else i}", f"P{i // 3}") for i in range(12)]
    table, meta = tmp_path / "list.csv", tmp_path / "meta.csv"
    table.write_text("image,label,patient\n" + "".join(f"{n},{c},{p}\n" for n, c, _, p in rows))
    meta.write_text("image,lesion_id\n" + "".join(f"{n},{lesion}\n" for n, _, lesion, _ in rows))
    options: dict[str, Any] = dict(ann_file=str(table), metadata=str(meta))
    if grouped:
        options["group_column"] = "patient"
    make_shards(ImageList(str(image_folder), **options), tmp_path / "shards")
    for fold in range(4):
        split = dict(part="val", folds=4, fold=fold, seed=1)
        folder = ImageList(str(image_folder), **options, split=split)
        for metadata in (None, str(meta)):
            shards = Shards(url=str(tmp_path / "shards"), metadata=metadata, split=split)
            assert shards.image_names() == folder.image_names()
            assert shards.lesions == folder.lesions


def test_classes_groups_and_several_labels_are_kept(tmp_path: Path) -> None:
    for i in range(4):
        path = tmp_path / "images" / "ab"[i % 2] / "sub" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(i).save(path)
    folder = ImageNet(str(tmp_path / "images"))
    make_shards(folder, tmp_path / "one")
    assert same(Shards(url=str(tmp_path / "one")), folder)
    with pytest.raises(UserError, match="its labels are numbers of the classes a, b; leave"):
        Shards(url=str(tmp_path / "one"), classes=["b", "a"])

    table = tmp_path / "list.csv"
    table.write_text("image,x,y,patient_id\na/sub/0.png,1,1,P1\nb/sub/1.png,0,0,P2\n")
    options = dict(multi_label=True, label_column=["x", "y"], group_column="patient_id")
    several = ImageList(str(tmp_path / "images"), ann_file=str(table), **options)
    make_shards(several, tmp_path / "two")
    found = Shards(url=str(tmp_path / "two"))
    assert same(found, several)
    assert found.lesions == several.lesions == ["P1", "P2"]
    assert found.get_gt_labels().tolist() == [[1, 1], [0, 0]]
    from_list = Shards(url=str(tmp_path / "two"), ann_file=str(table), **options)
    assert same(from_list, several)


def test_names_that_are_no_keys_become_numbers(tmp_path: Path, image_folder: Path) -> None:
    for name in ("0.1.jpg", "ü.jpg", f"{'long' * 40}.jpg"):
        (image_folder / name).write_bytes((image_folder / "0.jpg").read_bytes())
    lists = {
        "dots": "0.1.jpg 4\n1.jpg 0\n",
        "repeated": "1.jpg 0\n1.jpg 1\n",
        "foreign": "ü.jpg 0\n",
        "long": f"{'long' * 40}.jpg 0\n",
    }
    for name, text in lists.items():
        path = tmp_path / f"{name}.txt"
        path.write_text(text)
        source = ImageList(str(image_folder), ann_file=str(path))
        make_shards(source, tmp_path / name)
        with tarfile.open(tmp_path / name / "images-000000.tar") as tar:
            members = tar.getnames()
        assert members[:2] == ["000000000.jpg", "000000000.cls"]
        assert same(Shards(url=str(tmp_path / name)), source)


def test_a_list_without_extensions(shards: Path, image_folder: Path, tmp_path: Path) -> None:
    csv = tmp_path / "short.csv"
    csv.write_text("image,label\n3,0\n11,2\n")
    options = dict(ann_file=str(csv))
    assert same(Shards(url=str(shards), **options), ImageList(str(image_folder), **options))


def test_errors_of_indexes_and_lists(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="give index"):
        Shards()
    with pytest.raises(UserError, match="no such index of shards"):
        Shards(index=str(shards / "other"))
    wrong = tmp_path / "wrong.txt"
    wrong.write_text("1.jpg 0\ngone.jpg 1\n")
    with pytest.raises(UserError, match=r"wrong\.txt, line 2: 'gone\.jpg' is not in .*1 of 2"):
        Shards(url=str(shards), ann_file=str(wrong))
    index = shards / INDEX_NAME
    index.write_bytes(index.read_bytes()[:-9])
    with pytest.raises(UserError, match=r"index is damaged or incomplete .*copy it again"):
        Shards(url=str(shards))
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(2)}, index)
    with pytest.raises(UserError, match="is a safetensors file, but no index of shards"):
        Shards(url=str(shards))


def test_a_stopped_run_continues_and_keeps_what_is_complete(
    tmp_path: Path, image_folder: Path, image_list: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = ImageList(str(image_folder), ann_file=str(image_list)), tmp_path / "out"
    whole = tmp_path / "whole"
    make_shards(source, whole, 5)
    read_bytes = ImageList.read_bytes

    def killed(self: Any, idx: int) -> bytes:
        if idx == 7:
            raise KeyboardInterrupt
        return read_bytes(self, idx)

    monkeypatch.setattr(ImageList, "read_bytes", killed)
    with pytest.raises(KeyboardInterrupt):
        make_shards(source, out, 5)
    assert {path.name for path in out.iterdir()} == {"images-000000.tar", "lock", "shards.json"}
    with pytest.raises(UserError, match=r"has shards of other images, labels or images per shard"):
        make_shards(source, out, 4)
    read: list[int] = []

    def counted(self: Any, idx: int) -> bytes:
        read.append(idx)
        return read_bytes(self, idx)

    monkeypatch.setattr(ImageList, "read_bytes", counted)
    make_shards(source, out, 5)
    assert sorted(read) == list(range(5, 12))
    for path in whole.iterdir():
        assert path.read_bytes() == (out / path.name).read_bytes()
    picture(99).save(image_folder / "6.jpg")  # changed: its shard is written again
    read.clear()
    make_shards(source, out, 5)
    assert sorted(read) == list(range(5, 10))
    assert same(Shards(url=str(out)), source)


def test_errors_of_the_writer(tmp_path: Path, image_folder: Path, image_list: Path) -> None:
    source = ImageList(str(image_folder), ann_file=str(image_list))
    (image_folder / "6.jpg").unlink()
    with pytest.raises(UserError, match=r"can't read .*6\.jpg \(line 7 of .*No such file"):
        make_shards(source, tmp_path / "out", 5)
    assert not list((tmp_path / "out").glob("*.safetensors"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x.tar").write_bytes(b"")
    with pytest.raises(UserError, match="has tar files of something else"):
        make_shards(source, tmp_path / "full")
    with pytest.raises(UserError, match="give 1 or more"):
        make_shards(source, tmp_path / "out", 0)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="can't write"):
        make_shards(source, tmp_path / "file")


def test_the_index_of_tar_files_of_others(tmp_path: Path, image_folder: Path) -> None:
    files = {
        "x/one.jpg": (image_folder / "0.jpg").read_bytes(),
        "x/one.cls": b"7",
        "x/one.json": b"{}",
        f"{'deep/' * 40}two.seg.png": b"mask",
        f"{'deep/' * 40}two.jpg": (image_folder / "1.jpg").read_bytes(),
        "three.JPG": (image_folder / "2.jpg").read_bytes(),
        "three.cls": b"3\n",
    }
    path = tmp_path / "shards" / "a.tar"
    path.parent.mkdir()
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in files.items():
            (tmp_path / "part").write_bytes(data)
            tar.add(tmp_path / "part", name)
    del files[f"{'deep/' * 40}two.seg.png"]
    members = read_shard(path)
    assert [(m.name[-9:], m.label) for m in members][::2] == [("x/one.jpg", 7), ("three.JPG", 3)]
    index_shards([path], path.parent / INDEX_NAME)
    source = Shards(url=str(path.parent))
    assert source.get_gt_labels().tolist() == [7, -1, 3]
    assert source.read_bytes(2) == files["three.JPG"]

    for name, data, reason in (
        ("no.tar", b"hello" * 400, "no tar file, or it is compressed or truncated"),
        ("cut.tar", path.read_bytes()[:3000], "truncated"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match=reason):
            index_shards([tmp_path / name], tmp_path / "index")
    for text in ("cat", "2019_12"):
        (tmp_path / "part").write_text(text)
        with tarfile.open(tmp_path / "cls.tar", "w") as tar:
            tar.add(tmp_path / "part", "a.cls")
        with pytest.raises(UserError, match=r"a\.cls is no label"):
            index_shards([tmp_path / "cls.tar"], tmp_path / "index")


def tar_of(path: Path, files: dict[str, bytes]) -> None:
    """Write a tar file."""
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def test_a_name_of_two_images_is_reported_and_refused_in_lists(
    tmp_path: Path, image_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, two, three = ((image_folder / f"{i}.jpg").read_bytes() for i in range(3))
    folder = tmp_path / "shards"
    tar_of(folder / "a.tar", {"x.jpg": one, "y.jpg": two, "z.jpg": three})
    tar_of(folder / "b.tar", {"x.jpg": two, "y.jpg": two, "z.png": one})
    index_shards([folder / "a.tar", folder / "b.tar"], folder / INDEX_NAME)
    assert "2 of 6 images have the name of an earlier one, such as 'x.jpg' in a.tar and b.tar" in (
        caplog.text
    )
    assert len(Shards(url=str(folder))) == 6
    table = tmp_path / "list.txt"
    table.write_text("y.jpg 0\nx.jpg 1\n")
    with pytest.raises(UserError, match=r"'x\.jpg' in a\.tar and 'x\.jpg' in b\.tar; rename one"):
        Shards(url=str(folder), ann_file=str(table))
    table.write_text("y.jpg 0\nz.jpg 1\n")  # equal bytes, and a name that is there once
    listed = Shards(url=str(folder), ann_file=str(table))
    assert [listed.read_bytes(i) for i in range(2)] == [two, three]
    table.with_suffix(".csv").write_text("image,label\nz,1\n")
    with pytest.raises(UserError, match=r"'z\.jpg' in a\.tar and 'z\.png' in b\.tar; write the"):
        Shards(url=str(folder), ann_file=str(table.with_suffix(".csv")))


def test_hidden_members_and_dots_in_front_of_names(tmp_path: Path) -> None:
    files = {"./._x.jpg": b"no", "./x.jpg": b"an image", "./x.cls": b"2", "./._x.cls": b"no number"}
    path = tmp_path / "shards" / "a.tar"
    tar_of(path, files | {"sub/../y/.z.png": b"no", "sub/../y/w.png": b"another"})
    index_shards([path], path.parent / INDEX_NAME)
    table = tmp_path / "list.txt"
    table.write_text("y/w.png 1\nx.jpg 0\n")
    source = Shards(url=str(path.parent), ann_file=str(table))
    assert [source.read_bytes(i) for i in range(2)] == [b"another", b"an image"]
    whole = Shards(url=str(path.parent))
    assert (whole.image_names(), whole.get_gt_labels().tolist()) == (["x.jpg", "y/w.png"], [2, -1])


def test_damaged_and_missing_shards(shards: Path, image_list: Path) -> None:
    source = Shards(url=str(shards), on_error="skip")
    place = source.index.place(6)
    path = shards / place.shard
    data = bytearray(path.read_bytes())
    data[place.offset + 9] ^= 1
    path.write_bytes(data)
    with pytest.raises(
        StorageError, match=r"6\.jpg in .*000001\.tar \(line 7 of .*CRC-32"
    ) as error:
        source.load(6)  # not skipped: no fault of the image
    assert "\n" not in str(error.value)
    check_files(source, "data.train")
    path.write_bytes(data[:2000])
    again = Shards(url=str(shards))
    with pytest.raises(StorageError, match=r"images-000001\.tar .*truncated"):
        check_files(again, "data.train")
    path.unlink()
    with pytest.raises(StorageError, match="No such file"):
        check_files(Shards(url=str(shards)), "data.train")
    with pytest.raises(StorageError):
        Shards(url=str(shards), on_error="skip").load_pixels(6)


def test_a_broken_image_is_named_with_its_line_and_can_be_skipped(
    tmp_path: Path, image_folder: Path, image_list: Path
) -> None:
    (image_folder / "6.jpg").write_bytes(b"")
    make_shards(ImageList(str(image_folder), ann_file=str(image_list)), tmp_path / "shards", 5)
    with pytest.raises(UserError, match=r"6\.jpg in .*\(line 7 of .*index.safetensors\): the file"):
        Shards(url=str(tmp_path / "shards")).get_img(6)
    source = Shards(url=str(tmp_path / "shards"), on_error="skip")
    assert source.load(6)[1] == 7


def test_from_a_server_with_a_cache(
    server: RangeServer, image_folder: Path, image_list: Path, tmp_path: Path
) -> None:
    folder = ImageList(str(image_folder), ann_file=str(image_list))
    cache = dict(dir=str(tmp_path / "cache"), size_gb=1)
    source = Shards(url=server.url, shard_cache=cache, retry=ONCE)
    server.requests.clear()
    for _ in range(2):
        assert same(source, folder)
        assert len(server.requests) == 12  # the second time all come from the cache
    assert same(Shards(url=server.url, shard_cache=cache, retry=ONCE), folder)
    assert len(server.requests) == 14  # of the index: its version, and as it has no tag its bytes
    index = str(server.folder / INDEX_NAME)
    assert same(Shards(url=server.url, index=index, retry=ONCE), folder)
    source = Shards(url=server.url, shard_cache=dict(dir=str(tmp_path / "new")), retry=ONCE)
    server.faults = ["wrong", "wrong"]
    with pytest.raises(StorageError, match=r"line 1 of .*/new/.*CRC-32.*new, remove .*/new, where"):
        source.read_bytes(0)
    with pytest.raises(UserError, match=r"give index=FILE, .*or shard_cache"):
        Shards(url=server.url)


def test_the_index_of_a_signed_address_and_its_options(
    server: RangeServer, tmp_path: Path, image_folder: Path
) -> None:
    cache, headers = dict(dir=str(tmp_path / "cache")), {"X-Own": "1"}
    options = dict(shard_cache=cache, retry=ONCE, storage_options=dict(headers=headers))
    index = f"{server.url}/else/{INDEX_NAME}?sig=a/b/"
    with serving(server.folder) as other:
        sources = (
            (Shards(url=f"{server.url}/data/", index=index, **options), "/data/{}"),
            (Shards(index=index.replace("b/", "c"), **options), "/else/{}?sig=a/c"),
            (Shards(url=f"{server.url}/data/?sig=d/", **options), "/data/{}?sig=d/"),
            (Shards(url=server.url, index=f"{other.url}/{INDEX_NAME}", **options), "/{}"),
        )
        for i, (source, read) in enumerate(sources):  # another image each: the cache is one
            assert source.read_bytes(i) == (image_folder / f"{i}.jpg").read_bytes()
            assert server.requests[-1][0] == read.format("images-000000.tar")
        assert other.requests[0][0] == f"/{INDEX_NAME}"
        assert "X-Own" not in other.requests[0][1]  # another host gets no secrets
    asked = [path for path, _ in server.requests if INDEX_NAME in path]
    assert asked[::2] == asked[1::2]  # for its version, and for its bytes
    assert asked[::2] == [
        f"/else/{INDEX_NAME}?sig=a/b/",
        f"/else/{INDEX_NAME}?sig=a/c",
        f"/data/{INDEX_NAME}?sig=d/",
    ]
    assert all(sent["X-Own"] == "1" for _, sent in server.requests)


def test_a_server_that_fails(server: RangeServer) -> None:
    index = str(server.folder / INDEX_NAME)
    source = Shards(url=server.url, index=index, retry=dict(tries=2, wait=0, timeout=0.2))
    good = source.read_bytes(3)
    server.faults = [503, "cut", 500]
    with pytest.raises(StorageError, match=r"3\.jpg in http://.*000000.tar \(line 4 of .*2 times"):
        source.read_bytes(3)
    assert source.read_bytes(3) == good  # 500, then the image
    server.faults = ["wrong"]
    assert source.read_bytes(3) == good
    server.faults = ["wrong", "wrong"]
    with pytest.raises(StorageError, match="CRC-32"):
        source.read_bytes(3)


def test_the_check_of_a_server_reads_a_few_bytes(server: RangeServer) -> None:
    source = Shards(url=server.url, index=str(server.folder / INDEX_NAME), retry=ONCE)
    check_files(source, "data.train")
    assert len(server.requests) == 3
    for _, headers in server.requests:
        first, last = headers["Range"].removeprefix("bytes=").split("-")
        assert first == last
    assert listed_files(source) is None
    (server.folder / "images-000002.tar").unlink()
    with pytest.raises(StorageError, match=r"images-000002\.tar .*no such file"):
        check_files(source, "data.train")


@pytest.mark.parametrize("remote", [False, True])
def test_shards_that_were_changed_after_indexing(
    server: RangeServer, shards: Path, remote: bool
) -> None:
    index = str(shards / INDEX_NAME)

    def source() -> Shards:
        return Shards(url=server.url if remote else str(shards), index=index, retry=ONCE)

    path = shards / source().index.place(6).shard
    before = path.read_bytes()
    path.write_bytes(before + bytes(512))
    with pytest.raises(StorageError, match=rf"{path.name} .*{len(before) + 512} bytes.*changed;"):
        check_files(source(), "data.train")
    path.write_bytes(before[:-512])
    with pytest.raises(StorageError, match=r"it is truncated or changed; .*make the index again$"):
        check_files(source(), "data.train")
    path.write_bytes(before[::-1])  # other images of the same size
    check_files(source(), "data.train")
    with pytest.raises(StorageError, match=r"6\.jpg in .*not those that were indexed"):
        source().read_bytes(6)


def test_images_of_two_sources_of_shards_are_compared(
    shards: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sources = []
    for name, text in (("a", "1.jpg 0\n2.jpg 0\n"), ("b", "2.jpg 0\n3.jpg 0\n")):
        (tmp_path / name).write_text(text)
        sources.append(Shards(url=str(shards), ann_file=str(tmp_path / name)))
    report_shared(*sources, ("data.train", "data.val"))
    assert "have 1 image in common, such as 2.jpg of" in caplog.text


def test_the_decode_cache_of_shards_belongs_to_their_content(
    shards: Path, image_folder: Path, image_list: Path, tmp_path: Path
) -> None:
    cache = dict(dir=str(tmp_path / "decoded"), short_side=20)
    first = Shards(url=str(shards), cache=cache)
    listed = ImageList(str(image_folder), ann_file=str(image_list), cache=cache)
    assert same(first, listed)
    picture(99).save(image_folder / "6.jpg")
    make_shards(ImageList(str(image_folder), ann_file=str(image_list)), shards, 5)
    second = Shards(url=str(shards), cache=cache)
    assert not np.array_equal(first.get_pixels(6), second.get_pixels(6))
    assert np.array_equal(first.get_pixels(5), second.get_pixels(5))


def test_a_dataset_of_shards_gives_the_same_samples(
    shards: Path, image_folder: Path, image_list: Path
) -> None:
    pipeline = [dict(type="RandomResizedCrop", size=16), dict(type="ToTensor")]
    samples = []
    for source in (
        dict(type="ImageList", data_prefix=str(image_folder), ann_file=str(image_list)),
        dict(type="Shards", data_prefix=str(image_folder), url=str(shards)),
    ):
        config = dict(
            type="MultiViewDataset", data_source=source, num_views=[2], pipelines=[pipeline]
        )
        torch.manual_seed(3)
        np.random.seed(3)
        samples.append(build_dataset(config)[4]["img"])
    for ours, theirs in zip(*samples, strict=True):
        assert (ours == theirs).all()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (dict(retry=dict(trys=3)), "retry has no key 'trys'; it has tries, wait, longest, timeout"),
        (dict(retry=dict(tries="3")), "retry.tries must be a whole number, got '3'"),
        (dict(retry=dict(wait=None)), "retry.wait must be a number, got None"),
        (dict(retry=3), "retry must be a dict, got 3"),
        (dict(shard_cache=dict(size_gb=3)), "shard_cache needs the key 'dir'; it has dir, size_gb"),
        (dict(shard_cache=dict(dir=3)), "shard_cache.dir must be a folder, got 3"),
        (dict(storage_options=dict(key=3)), "a folder .* has no options"),
        (dict(url="http://x", storage_options=dict(key=3)), "storage_options has no key 'key'"),
        (
            dict(url="http://x", storage_options=dict(headers="a")),
            "headers must be a dict, got 'a'",
        ),
        (dict(url=3), "url must be a path or an address, got 3"),
    ],
)
def test_nested_settings_that_are_none(tmp_path: Path, options: Any, reason: str) -> None:
    with pytest.raises(ArgumentError, match=reason):
        Shards(**{"url": str(tmp_path), **options})


def test_a_source_in_a_config(shards: Path) -> None:
    source = build_datasource(Config(dict(x=dict(type="Shards", url=str(shards)))).x)
    assert len(source) == 12
    assert json.loads((shards / "shards.json").read_text())["images"] == 12
    assert os.path.isabs(source.url)
