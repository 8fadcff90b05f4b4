"""Studies that share the source folder of a data set."""

import errno
import fcntl
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from PIL import Image

from mmselfsup.apis.study_data.source_use import used_source
from mmselfsup.study.descriptions import LABELS, NAMES, Description, read_facts
from mmselfsup.utils.errors import UserError


def clinic(root: Path) -> Description:
    """Four images in two classes, with labels in two columns."""
    rng = np.random.default_rng(0)
    for i in range(4):
        pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{i}.png")
    rows = "".join(f"{i}.png,{'ab'[i % 2]},{'cd'[i // 2]}\n" for i in range(4))
    (root / "my.csv").write_text(f"image,label,other\n{rows}")
    return Description("Clinic", table=("my.csv",), label_column="label", folds=2)


def test_what_a_running_study_reads_is_not_replaced(tmp_path: Path) -> None:
    description, place = clinic(tmp_path), tmp_path / "source"
    others = [
        (replace(description, label_column="other"), 8),
        (description, 16),  # mean and deviation are those of a size
    ]
    for other, size in others:
        with used_source(description, tmp_path, place, 8, NAMES) as facts:
            before = {path.name: path.read_bytes() for path in place.iterdir()}
            with used_source(description, tmp_path, place, 8, NAMES) as again:  # another algorithm
                assert again == facts == read_facts(place)
            with (
                pytest.raises(UserError, match=r"a running study called Clinic .* --name NAME"),
                used_source(other, tmp_path, place, size, NAMES),
            ):
                pass
            assert {path.name: path.read_bytes() for path in place.iterdir()} == before
        with used_source(other, tmp_path, place, size, NAMES):  # none runs
            assert (",c" in (place / LABELS).read_text()) == (other is not description)


def test_a_changed_table_is_other_data(tmp_path: Path) -> None:
    description, place = clinic(tmp_path), tmp_path / "source"
    with used_source(description, tmp_path, place, 8, NAMES):
        text = (tmp_path / "my.csv").read_text()
        (tmp_path / "my.csv").write_text(text.replace("0.png,a", "0.png,b"))
        with (
            pytest.raises(UserError, match="running study"),
            used_source(description, tmp_path, place, 8, NAMES),
        ):
            pass


@pytest.mark.parametrize("classes", [(), ("a", "b")])
def test_a_further_image_in_a_folder_of_a_class_is_other_data(
    tmp_path: Path, classes: tuple[str, ...]
) -> None:
    place = tmp_path / "source"
    for name in ("a/0.png", "a/1.png", "b/0.png", "b/1.png"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "images" / name)
    description = Description("Clinic", images=("images",), folds=2, classes=classes)
    with used_source(description, tmp_path, place, 8, NAMES) as facts:
        with used_source(description, tmp_path, place, 8, NAMES) as again:
            assert again == facts
        shutil.copy(tmp_path / "images/a/0.png", tmp_path / "images/a/2.png")
        with (
            pytest.raises(UserError, match="running study"),
            used_source(description, tmp_path, place, 8, NAMES),
        ):
            pass
    with used_source(description, tmp_path, place, 8, NAMES) as facts:
        assert facts["num_listed"] == 5


def test_a_shared_lock_on_nfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS refuses it for a file that is open for writing alone (``man 2 flock``)."""

    def flock(file: IO[str], kind: int) -> None:
        if kind & fcntl.LOCK_SH and not file.readable():
            raise OSError(errno.EBADF, "Bad file descriptor")

    description = clinic(tmp_path)
    monkeypatch.setattr("fcntl.flock", flock)
    with used_source(description, tmp_path, tmp_path / "source", 8, NAMES) as facts:
        assert facts["name"] == "Clinic"


def waiting(monkeypatch: pytest.MonkeyPatch, start: Callable[[], None]) -> threading.Thread:
    """Start a second study when the first one is making the folder, and fail when it waits."""
    from mmselfsup.apis.study_data import source_use

    other, waits = threading.Thread(target=start), threading.Event()
    flock, make = fcntl.flock, source_use.make_source

    def seen_flock(file: IO[str], kind: int) -> None:
        if kind == fcntl.LOCK_SH and threading.current_thread() is other:
            waits.set()
        flock(file, kind)

    def failing(*args: Any) -> dict[str, Any]:
        if threading.current_thread() is other:
            return make(*args)
        (args[2] / LABELS).write_text("of the first study")
        other.start()
        assert waits.wait(60)
        raise UserError("the disk is full")

    monkeypatch.setattr("fcntl.flock", seen_flock)
    monkeypatch.setattr(source_use, "make_source", failing)
    return other


@pytest.mark.parametrize("before", ["nothing", "the same data"])
def test_a_study_that_waited_for_one_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    description, place = clinic(tmp_path), tmp_path / "source"
    if before == "the same data":
        with used_source(description, tmp_path, place, 8, NAMES):
            pass
    made = []

    def second() -> None:
        with used_source(description, tmp_path, place, 8, NAMES):
            made.append((place / LABELS).read_text())

    thread = waiting(monkeypatch, second)
    failed = replace(description, label_column="other")
    with pytest.raises(UserError, match="disk"), used_source(failed, tmp_path, place, 8, NAMES):
        pass
    thread.join(60)
    assert [",a" in text for text in made] == [True]
