"""The decode cache: the same images, written once, whatever interrupts the writing."""

from __future__ import annotations

import errno
import logging
import multiprocessing
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmcv.fileio import BaseStorageBackend, FileClient
from PIL import Image

from mmselfsup.datasets import build_dataloader, build_dataset, build_datasource
from mmselfsup.datasets import cache as write
from mmselfsup.datasets.data_sources import BaseDataSource, ImageList
from mmselfsup.datasets.pipelines import Resize
from mmselfsup.datasets.statistics import source_statistics
from mmselfsup.utils.errors import UserError

NUM_IMAGES = 7


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Colour images, 30 x 40 and one 20 x 10, as PNG and JPEG."""
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(NUM_IMAGES):
        size = (20, 10, 3) if i == 3 else (30, 40, 3)
        image = Image.fromarray(rng.integers(0, 256, size).astype(np.uint8))
        image.save(folder / f"{i}.{'png' if i % 2 else 'jpg'}")
    return folder


def source(images: Path, **kwargs: Any) -> Any:
    return build_datasource(dict(type="ImageList", data_prefix=str(images), **kwargs))


def cache(images: Path, short_side: int | None = 16) -> dict[str, Any]:
    return dict(dir=str(images.parent / "cache"), short_side=short_side)


class Counter:
    """Counts how many images are decoded; after ``most`` it raises, as a crash would."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, most: int = 10**9) -> None:
        self.count, decode = 0, ImageList.decode

        def counting(source: Any, idx: int) -> Any:
            if self.count >= most:
                raise KeyboardInterrupt
            self.count += 1
            return decode(source, idx)

        monkeypatch.setattr(ImageList, "decode", counting)


@pytest.mark.parametrize("color_type", ["color", "grayscale"])
def test_a_whole_cache_gives_the_decoded_pixels(images: Path, color_type: str) -> None:
    plain = source(images, color_type=color_type)
    cached = source(images, color_type=color_type, cache=cache(images, None))
    for i in range(NUM_IMAGES):
        np.testing.assert_array_equal(cached.get_pixels(i), plain.get_pixels(i))
        assert cached.get_img(i).mode == plain.get_img(i).mode
    assert cached.cache.num_bytes() == sum(plain.get_pixels(i).size for i in range(NUM_IMAGES))


def test_large_images_are_shrunk_as_resize_does(images: Path) -> None:
    plain, cached = source(images), source(images, cache=cache(images))
    for i in range(NUM_IMAGES):
        pixels = plain.get_pixels(i)
        small = pixels if i == 3 else Resize(16)(pixels)  # one is small already
        np.testing.assert_array_equal(cached.get_pixels(i), small)
        np.testing.assert_array_equal(np.asarray(cached.get_img(i)), small)


def test_it_is_written_once(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = Counter(monkeypatch)
    first = source(images, cache=cache(images))
    assert counter.count == NUM_IMAGES
    second = source(images, cache=cache(images))
    copy = pickle.loads(pickle.dumps(second))
    for i in range(NUM_IMAGES):
        np.testing.assert_array_equal(first.get_pixels(i), copy.get_pixels(i))
    assert counter.count == NUM_IMAGES


def test_a_changed_list_adds_what_is_missing(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lists = {"a": "0.jpg\n1.png\n2.jpg\n", "b": "2.jpg\n4.jpg\n1.png\n4.jpg\n"}
    for name, text in lists.items():
        (images.parent / name).write_text(text)
    counter = Counter(monkeypatch)
    source(images, ann_file=str(images.parent / "a"), cache=cache(images))
    assert counter.count == 3
    cached = source(images, ann_file=str(images.parent / "b"), cache=cache(images))
    assert counter.count == 4
    plain = source(images, ann_file=str(images.parent / "b"))
    for i in range(4):
        np.testing.assert_array_equal(cached.get_pixels(i), Resize(16)(plain.get_pixels(i)))


@pytest.mark.parametrize(
    ("first", "second"), [({}, {"color_type": "grayscale"}), ({}, {"channel_order": "bgr"})]
)
def test_other_settings_are_another_cache(
    images: Path, first: dict[str, Any], second: dict[str, Any]
) -> None:
    one = source(images, cache=cache(images), **first)
    other = source(images, cache=cache(images), **second)
    larger = source(images, cache=cache(images, 20))
    assert len({one.cache.folder, other.cache.folder, larger.cache.folder}) == 3
    assert min(larger.get_pixels(0).shape[:2]) == 20


def test_a_changed_file_is_noticed(images: Path) -> None:
    folder = source(images, cache=cache(images)).cache.folder
    os.utime(images / "0.jpg", ns=(1, 1))
    with pytest.raises(UserError, match=r"0\.jpg was changed after it was cached; remove .*cache"):
        source(images, cache=cache(images))
    assert folder.exists()


def test_every_file_is_compared(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(600):  # the 300th was not among those that were compared before
        Image.new("L", (4, 4), i % 256).save(folder / f"{i:03d}.png")
    source(folder, cache=cache(folder))
    Image.new("L", (5, 5), 7).save(folder / "300.png")
    Image.new("L", (5, 5), 7).save(folder / "411.png")
    with pytest.raises(UserError, match=r"300\.png and 1 more were changed after"):
        source(folder, cache=cache(folder))


def test_another_list_meets_the_changed_file(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lists = {"a": "0.jpg\n1.png\n", "b": "1.png\n4.jpg\n"}
    for name, text in lists.items():
        (images.parent / name).write_text(text)
    source(images, ann_file=str(images.parent / "a"), cache=cache(images))
    os.utime(images / "1.png", ns=(1, 1))
    counter = Counter(monkeypatch)
    with pytest.raises(UserError, match=r"1\.png was changed"):
        source(images, ann_file=str(images.parent / "b"), cache=cache(images))
    assert counter.count == 0  # told before the missing images are read


def test_an_image_that_arrived_later_is_noticed(images: Path) -> None:
    ann_file = images.parent / "list"
    ann_file.write_text("0.jpg\nlate.png\n")
    kwargs = dict(ann_file=str(ann_file), cache=cache(images), on_error="skip")
    assert source(images, **kwargs).load_pixels(1)[1] == 0
    Image.new("RGB", (9, 9)).save(images / "late.png")
    with pytest.raises(UserError, match=r"late\.png was changed"):
        source(images, **kwargs)


def test_a_file_that_is_gone_is_in_the_cache(images: Path) -> None:
    before = source(images, cache=cache(images)).get_pixels(0)
    ann_file = images.parent / "list"
    ann_file.write_text("0.jpg\n")
    (images / "0.jpg").unlink()
    cached = source(images, ann_file=str(ann_file), cache=cache(images))
    np.testing.assert_array_equal(cached.get_pixels(0), before)


def test_writing_resumes_after_a_crash(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "_AT_ONCE", 2)
    monkeypatch.setattr(write, "_MAX_THREADS", 1)
    with monkeypatch.context() as patch:
        Counter(patch, most=5)
        with pytest.raises(KeyboardInterrupt):
            source(images, cache=cache(images))
    (folder,) = (images.parent / "cache").iterdir()
    (folder / ".list-0123.npy.ab12cd34").touch()
    (folder / ".settings.json.ab12cd34").touch()
    with open(folder / "pixels.bin", "ab") as file:  # bytes whose record is missing
        file.write(b"half an image")
    with open(folder / "index.bin", "ab") as file:  # a record that was cut off
        file.write(b"half")
    counter = Counter(monkeypatch)
    cached, plain = source(images, cache=cache(images)), source(images)
    assert counter.count == NUM_IMAGES - 4
    assert not list(folder.glob(".*"))
    for i in (0, 1, 2, 4, 5, 6):
        np.testing.assert_array_equal(cached.get_pixels(i), Resize(16)(plain.get_pixels(i)))


def test_a_damaged_cache_is_named(images: Path) -> None:
    folder = source(images, cache=cache(images)).cache.folder
    os.truncate(folder / "pixels.bin", 100)
    with pytest.raises(UserError, match="is damaged; remove this folder"):
        source(images, cache=cache(images))


def test_an_empty_list_file_is_written_again(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = source(images, cache=cache(images))
    (rows,) = first.cache.folder.glob("list-*.npy")
    rows.write_bytes(b"")
    counter = Counter(monkeypatch)
    np.testing.assert_array_equal(
        source(images, cache=cache(images)).get_pixels(2), first.get_pixels(2)
    )
    assert (counter.count, rows.stat().st_size > 0) == (0, True)


@pytest.mark.parametrize("name", ["pixels.bin", "index.bin"])
def test_an_empty_file_of_the_cache_gives_no_black_images(images: Path, name: str) -> None:
    folder = source(images, cache=cache(images)).cache.folder
    os.truncate(folder / name, 0)
    with pytest.raises(UserError, match="is damaged; remove this folder"):
        source(images, cache=cache(images))
    Image.new("RGB", (30, 30), (9, 9, 9)).save(images / "new.png")  # another list
    if name == "index.bin":  # no record is left: all are read again
        assert source(images, cache=cache(images)).get_pixels(0).any()
    else:
        with pytest.raises(UserError, match="is damaged; remove this folder"):
            source(images, cache=cache(images))


def test_a_full_disk_is_told_with_its_advice(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        """A file on a full disk: what is buffered fails again when it is closed."""

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *error: Any) -> None:
            self.write(b"")

        def write(self, data: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(write, "_open_at", lambda path, size: Full())
    with pytest.raises(UserError, match=r"No space left on device; it needs .*lower short_side"):
        source(images, cache=cache(images))


def test_a_broken_image_stops_the_writing_or_is_skipped(images: Path) -> None:
    (images / "2.jpg").write_bytes(b"\xff\xd8\xff nothing")
    with pytest.raises(UserError, match=r"2\.jpg: the file is damaged"):
        source(images, cache=cache(images))
    cached = source(images, cache=cache(images), on_error="skip")
    _, taken = cached.load_pixels(2)
    assert (taken, cached.num_skipped()) == (3, 1)


@pytest.mark.parametrize("short_side", [0, "256", -3])
def test_wrong_settings_are_refused(images: Path, short_side: Any) -> None:
    with pytest.raises(UserError, match="short_side is"):
        source(images, cache=cache(images, short_side))
    with pytest.raises(UserError, match="color_type='color'"):
        source(images, cache=cache(images), color_type="unchanged")


def _open_and_count(images: Path, decoded: Any) -> None:
    decode = ImageList.decode

    def counting(source: Any, idx: int) -> Any:
        with decoded.get_lock():
            decoded.value += 1
        return decode(source, idx)

    ImageList.decode = counting  # type: ignore[method-assign]
    source(images, cache=cache(images)).get_pixels(0)


def test_of_several_processes_one_writes(images: Path) -> None:
    context = multiprocessing.get_context("fork")
    decoded = context.Value("i", 0)
    processes = [context.Process(target=_open_and_count, args=(images, decoded)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert decoded.value == NUM_IMAGES


def test_workers_see_the_same_batches(images: Path) -> None:
    def batches(workers: int, **kwargs: Any) -> Any:
        data_source = dict(type="ImageList", data_prefix=str(images), **kwargs)
        pipeline = [dict(type="RandomResizedCrop", size=8), dict(type="ToTensor")]
        dataset = build_dataset(
            dict(type="SingleViewDataset", data_source=data_source, pipeline=pipeline)
        )
        loader = build_dataloader(dataset, 3, workers_per_gpu=workers, dist=False, seed=1)
        return [batch["img"] for batch in loader]

    plain, cached = batches(0), batches(2, cache=cache(images, None))
    assert all((one == other).all() for one, other in zip(plain, cached, strict=True))


def test_folders_of_classes(images: Path) -> None:
    for name in ("cat", "dog"):
        folder = images.parent / "classes" / name
        folder.mkdir(parents=True)
        (images / "0.jpg").rename(folder / "0.jpg") if name == "cat" else (images / "2.jpg").rename(
            folder / "0.jpg"
        )
    kwargs = dict(type="ImageNet", data_prefix=str(images.parent / "classes"))
    plain, cached = build_datasource(kwargs), build_datasource({**kwargs, "cache": cache(images)})
    assert len(cached) == 2
    for i in range(2):
        np.testing.assert_array_equal(cached.get_pixels(i), Resize(16)(plain.get_pixels(i)))


def test_a_source_that_reads_in_its_own_way(images: Path) -> None:
    class Own(ImageList):
        def get_img(self, idx: int) -> Image.Image:
            return Image.new("RGB", (20, 20), (idx, 0, 0))

    cached = Own(str(images), cache=cache(images))
    assert cached.get_pixels(5).shape == (16, 16, 3)
    assert (cached.get_pixels(5) == (5, 0, 0)).all()
    assert Own(str(images)).load_pixels(4)[0][0, 0, 0] == 4


def test_classes_that_read_in_other_ways_share_no_cache(images: Path) -> None:
    class Dark(ImageList):
        def get_img(self, idx: int) -> Image.Image:
            return Image.new("RGB", (20, 20), (1, 1, 1))

    class Bright(ImageList):
        def get_img(self, idx: int) -> Image.Image:
            return Image.new("RGB", (20, 20), (200, 200, 200))

    for cls, value in ((Dark, 1), (Bright, 200)):
        assert (cls(str(images), cache=cache(images)).get_pixels(0) == value).all()
    assert source(images, cache=cache(images)).get_pixels(0).std() > 0


class Squares(BaseDataSource):
    """Images that are no files, as tutorial 1 makes them; `shade` is what an entry says."""

    shades: tuple[Any, ...] = (10, 20, 30)

    def load_annotations(self) -> list[dict[str, Any]]:
        return [dict(gt_label=0, shade=shade) for shade in self.shades]

    def get_img(self, idx: int) -> Image.Image:
        return Image.new("RGB", (20, 20), (int(self.data_infos[idx]["shade"]), 0, 0))


def test_images_that_are_no_files(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for shades in ((10, 20, 30), (30, 20, 10), tuple(np.array([5, 6], np.int64))):
        monkeypatch.setattr(Squares, "shades", shades)
        cached = Squares(None, cache=cache(images))
        assert [cached.get_pixels(i)[0, 0, 0] for i in range(len(shades))] == [*shades]
        assert cached.cache is not None
    monkeypatch.setattr(Squares, "shades", (object(),))
    with pytest.raises(UserError, match=r"image 0 of Squares has no file name"):
        Squares(None, cache=cache(images))


def test_a_cache_of_an_older_version_is_not_used_and_this_is_said(
    images: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger("mmselfsup"), "propagate", True)
    monkeypatch.setattr(write, "_VERSION", 1)
    old = source(images, cache=cache(images)).cache.folder
    (old / "pixels.bin").write_bytes(bytes((old / "pixels.bin").stat().st_size))  # all black
    monkeypatch.undo()
    monkeypatch.setattr(logging.getLogger("mmselfsup"), "propagate", True)
    new = source(images, cache=cache(images))
    assert new.cache.folder != old
    np.testing.assert_array_equal(new.get_pixels(3), source(images).get_pixels(3))
    assert f"{old} is of an older version" in caplog.text
    assert "remove the old folder" in caplog.text


def test_grey_images_of_an_older_version_are_decoded_again(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def folder(color_type: str) -> Path:
        return source(images, cache=cache(images), color_type=color_type).cache.folder

    new = {color_type: folder(color_type) for color_type in ("color", "grayscale")}
    monkeypatch.setattr(write, "_GREY_VERSION", 2)  # which had others for PNG files with a gamma
    assert folder("color") == new["color"]
    assert folder("grayscale") != new["grayscale"]


class OfTwoFolders(BaseDataSource):
    """A class of the user whose images have equal names in two folders."""

    def load_annotations(self) -> list[dict[str, Any]]:
        folders = [str(Path(self.data_prefix, name)) for name in ("a", "b")]
        image = dict(filename="x.png")
        return [dict(img_prefix=folder, img_info=image, gt_label=0) for folder in folders]


@FileClient.register_backend("folder of a service")
class FolderOfService(BaseStorageBackend):  # type: ignore[misc]
    """A storage service that finds names in the folder that it was given."""

    def __init__(self, root: str) -> None:
        self.root = root

    def get(self, filepath: str) -> bytes:
        return Path(self.root, Path(filepath).name).read_bytes()

    def get_text(self, filepath: str) -> str:
        raise NotImplementedError


def two_images(folder: Path) -> None:
    """Write ``a/x.png`` and ``b/x.png``, grey levels 10 and 200."""
    for name, level in (("a", 10), ("b", 200)):
        (folder / name).mkdir()
        Image.new("RGB", (8, 8), (level,) * 3).save(folder / name / "x.png")


def test_equal_names_in_two_folders_are_two_images(tmp_path: Path) -> None:
    two_images(tmp_path)
    cached = OfTwoFolders(str(tmp_path), cache=dict(dir=str(tmp_path / "cache")))
    assert [int(np.mean(cached.get_pixels(i))) for i in (0, 1)] == [10, 200]


def test_equal_names_in_two_services_are_two_images(tmp_path: Path) -> None:
    two_images(tmp_path)
    (tmp_path / "list.txt").write_text("x.png 0\n")
    levels = []
    for name in ("a", "b"):
        service = dict(backend="folder of a service", root=str(tmp_path / name))
        cached = ImageList(
            "images",
            ann_file=str(tmp_path / "list.txt"),
            file_client_args=service,
            cache=dict(dir=str(tmp_path / "cache")),
        )
        levels.append(int(np.mean(cached.get_pixels(0))))
        levels.append(round(source_statistics(cached).mean[0] * 255))
    assert levels == [10, 10, 200, 200]
