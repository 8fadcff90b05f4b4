"""CIFAR from files in the official layout, made here."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmselfsup.datasets.data_sources import CIFAR10, CIFAR100
from mmselfsup.datasets.data_sources import cifar as cifar_module
from mmselfsup.utils.errors import UserError

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 3, 32, 32)).astype(np.uint8)


def dump(path: Path, content: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=2))


@pytest.fixture
def cifar10(tmp_path: Path) -> Path:
    folder = tmp_path / "cifar-10-batches-py"
    for i in range(5):
        part = dict(data=IMAGES[2 * i : 2 * i + 2].reshape(2, -1), labels=[i, i + 1])
        dump(folder / f"data_batch_{i + 1}", part)
    dump(folder / "test_batch", dict(data=IMAGES[10:].reshape(2, -1), labels=[9, 8]))
    dump(folder / "batches.meta", dict(label_names=[f"class {i}" for i in range(10)]))
    return tmp_path


def test_cifar10(cifar10: Path) -> None:
    train = CIFAR10(str(cifar10))
    assert len(train) == 10
    np.testing.assert_array_equal(train.get_gt_labels(), [0, 1, 1, 2, 2, 3, 3, 4, 4, 5])
    np.testing.assert_array_equal(train.get_img(3), IMAGES[3].transpose(1, 2, 0))
    assert train.CLASSES[9] == "class 9"
    test = CIFAR10(str(cifar10), test_mode=True)
    np.testing.assert_array_equal(test.get_gt_labels(), [9, 8])
    np.testing.assert_array_equal(test.get_img(1), IMAGES[11].transpose(1, 2, 0))
    inside = CIFAR10(str(cifar10 / "cifar-10-batches-py"), channel_order="bgr")
    np.testing.assert_array_equal(inside.get_img(0), IMAGES[0].transpose(1, 2, 0)[..., ::-1])


def test_cifar100(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-100-python"
    part = dict(data=IMAGES.reshape(12, -1), fine_labels=list(range(12)), coarse_labels=[0] * 12)
    dump(folder / "train", part)
    dump(folder / "meta", dict(fine_label_names=[str(i) for i in range(100)]))
    source = CIFAR100(str(tmp_path))
    np.testing.assert_array_equal(source.get_gt_labels(), np.arange(12))
    assert len(source.CLASSES) == 100


def test_missing_and_broken_files(cifar10: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(UserError, match=r"no such file.*download=True"):
        CIFAR10(str(tmp_path / "elsewhere"))
    batch = cifar10 / "cifar-10-batches-py" / "data_batch_2"
    batch.write_bytes(batch.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"data_batch_2: this is no file of the CIFAR"):
        CIFAR10(str(cifar10))
    dump(batch, dict(data=IMAGES[:2].reshape(2, -1)))
    with pytest.raises(UserError, match="'labels'"):
        CIFAR10(str(cifar10))


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("this must not run",)


def test_a_pickle_that_runs_programs_is_refused(
    cifar10: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dump(cifar10 / "cifar-10-batches-py" / "data_batch_1", _Evil())
    with pytest.raises(UserError, match="it asks for"):
        CIFAR10(str(cifar10))
    assert capsys.readouterr().out == ""


def test_download_only_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(
        cifar_module, "download_and_extract_archive", lambda *a, **k: calls.append((a, k))
    )
    with pytest.raises(UserError):
        CIFAR10(str(tmp_path))
    assert calls == []
    with pytest.raises(UserError):  # the fake download brings nothing
        CIFAR10(str(tmp_path), download=True)
    part = str(tmp_path / ".cifar-10-batches-py.part")
    assert calls == [((CIFAR10.url, str(tmp_path), part), dict(md5=CIFAR10.md5))]


def test_a_killed_download_leaves_no_half_data_set(
    cifar10: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = next(cifar10.rglob("data_batch_1")).parent
    stop = True

    def unpack(url: str, root: str, part: str, md5: str) -> None:
        folder = Path(part) / CIFAR10.base_folder
        folder.mkdir(parents=True)
        for path in sorted(whole.iterdir()):
            shutil.copy(path, folder)
            if stop:
                raise KeyboardInterrupt

    monkeypatch.setattr(cifar_module, "download_and_extract_archive", unpack)
    place = tmp_path / "new"
    place.mkdir()
    with pytest.raises(KeyboardInterrupt):
        CIFAR10(str(place), download=True)
    stop = False
    assert len(CIFAR10(str(place), download=True)) == len(CIFAR10(str(cifar10)))
    assert [path.name for path in place.iterdir()] == [CIFAR10.base_folder]


def test_cache_of_cifar(cifar10: Path, tmp_path: Path) -> None:
    plain = CIFAR10(str(cifar10))
    cached = CIFAR10(str(cifar10), cache=dict(dir=str(tmp_path / "cache")))
    for i in range(len(plain)):
        np.testing.assert_array_equal(cached.get_pixels(i), np.asarray(plain.get_img(i)))


def test_cache_of_other_files_of_the_same_names(cifar10: Path, tmp_path: Path) -> None:
    cache = dict(dir=str(tmp_path / "cache"))
    old = CIFAR10(str(cifar10), test_mode=True, cache=cache)
    pixels = (255 - IMAGES[10:]).reshape(2, -1)
    dump(cifar10 / CIFAR10.base_folder / "test_batch", dict(data=pixels, labels=[9, 8]))
    new = CIFAR10(str(cifar10), test_mode=True, cache=cache)
    np.testing.assert_array_equal(new.get_pixels(1), 255 - old.get_pixels(1))
