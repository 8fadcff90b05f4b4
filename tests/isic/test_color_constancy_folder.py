"""A folder of images: it stops, resumes and does not mix settings."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmselfsup.isic.color_constancy import (
    RECORD,
    SOURCES,
    Settings,
    correct_folder,
    shades_of_gray,
)
from mmselfsup.utils.errors import UserError

TOOL = Path(__file__).parents[2] / "tools/apply_color_constancy.py"
Save = Callable[[Path, Sequence[str]], None]
NAMES = ["a.png", "b.png", "deep/er/c.png", "deep/d.jpg", "e.png"]


def files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture
def src(tmp_path: Path, save_images: Save) -> Path:
    save_images(tmp_path / "src", NAMES)
    (tmp_path / "src/ATTRIBUTION.txt").write_text("no image")
    (tmp_path / "src/._a.png").write_text("left by macOS")
    return tmp_path / "src"


@pytest.mark.parametrize("workers", [1, 2])
def test_keeps_folders_and_is_exact(src: Path, tmp_path: Path, workers: int) -> None:
    assert correct_folder(src, tmp_path / "dst", Settings(gamma=2.2), workers) == (5, 0, [])
    assert set(files(tmp_path / "dst")) == {*NAMES, RECORD, SOURCES}
    for name in NAMES[:3]:
        expected = shades_of_gray(np.asarray(Image.open(src / name)), gamma=2.2)
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "dst" / name)), expected)


def test_done_files_are_skipped_and_other_settings_refused(src: Path, tmp_path: Path) -> None:
    dst = tmp_path / "dst"
    correct_folder(src, dst, Settings(), 1)
    before = files(dst)
    (dst / "b.png").unlink()
    assert correct_folder(src, dst, Settings(), 1) == (1, 4, [])
    assert files(dst) == before
    with pytest.raises(UserError, match=r"made with .*'power': 6.0.* now wanted: .*'power': 3.0"):
        correct_folder(src, dst, Settings(power=3.0), 1)
    (dst / RECORD).unlink()
    with pytest.raises(UserError, match=f"no {RECORD} that says how they were made"):
        correct_folder(src, dst, Settings(), 1)
    (dst / RECORD).write_text("{")
    with pytest.raises(UserError, match=f"can't read .*{RECORD}"):
        correct_folder(src, dst, Settings(), 1)


def test_images_without_a_source_stay_and_are_counted(
    src: Path, tmp_path: Path, save_images: Save, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their sources may have been moved away once they were corrected, batch by batch."""
    dst = tmp_path / "dst"
    correct_folder(src, dst, Settings(), 1)
    (src / "deep/d.jpg").unlink()
    correct_folder(src, dst, Settings(), 1)
    assert set(files(dst)) == {*NAMES, RECORD, SOURCES}
    said = capsys.readouterr().err
    assert f"warning: {dst} has 1 image without a source, such as deep/d.jpg" in said
    save_images(tmp_path / "more", ["z.png"])
    correct_folder(tmp_path / "more", dst, Settings(), 1)
    assert set(files(dst)) == {*NAMES, "z.png", RECORD, SOURCES}
    assert f"warning: {dst} has {len(NAMES)} images without a source" in capsys.readouterr().err


@pytest.mark.parametrize("stop", [KeyboardInterrupt, UserError("disk full")])
def test_a_stop_at_any_file_then_a_second_call_give_the_same(
    src: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: Any
) -> None:
    correct_folder(src, tmp_path / "whole", Settings(), 1)
    saved = 0
    save = Image.Image.save

    def stop_at_third(self: Image.Image, file: Any, **options: Any) -> None:
        nonlocal saved
        saved += 1
        if saved == 3:
            file.write(b"half of an image")
            raise stop
        save(self, file, **options)

    monkeypatch.setattr(Image.Image, "save", stop_at_third)
    with pytest.raises((KeyboardInterrupt, UserError)):
        correct_folder(src, tmp_path / "dst", Settings(), 1)
    whole = files(tmp_path / "whole")
    assert files(tmp_path / "dst").items() < whole.items()
    assert correct_folder(src, tmp_path / "dst", Settings(), 1) == (3, 2, [])
    assert files(tmp_path / "dst") == whole


def test_ctrl_c_stops_the_workers_and_leaves_whole_files(tmp_path: Path, noise: Any) -> None:
    src, dst = tmp_path / "src", tmp_path / "dst"
    src.mkdir()
    Image.fromarray(noise(600, 800)).save(src / "0000.jpg")
    for number in range(1, 1500):
        os.link(src / "0000.jpg", src / f"{number:04d}.jpg")
    call = [sys.executable, TOOL, "--src", src, "--dst", dst, "--workers", "2"]
    process = subprocess.Popen(
        call,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # a job in the background of a script ignores Ctrl-C, and so would its child
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 120
    while len(list(dst.glob("*.jpg"))) < 20 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: parent and workers
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    made = files(dst)
    assert 20 <= len(made) < 1500
    assert not [name for name in made if name.startswith(".")]
    made.pop(RECORD)
    made.pop(SOURCES)
    assert len(set(made.values())) == 1
    for number in range(len(made) + 10, 1500):
        (src / f"{number:04d}.jpg").unlink(missing_ok=True)
    (src / "broken.jpg").write_text("<html>404</html>")
    again = subprocess.run(call, capture_output=True, text=True)
    assert again.returncode == 1
    assert "1 could not be read" in again.stdout
    assert f"error: can't read the image {src}/broken.jpg: " in again.stderr
    assert set(files(dst)) == {path.name for path in src.glob("0*.jpg")} | {RECORD, SOURCES} | set(
        made
    )
    assert len(set(files(dst).values())) == 3  # one image, and the records


def test_unreadable_files_are_reported_and_the_rest_is_converted(src: Path, tmp_path: Path) -> None:
    whole = (src / "deep/d.jpg").read_bytes()
    (src / "deep/d.jpg").write_bytes(whole[: len(whole) * 3 // 4])
    (src / "e.png").write_text("<html>404</html>")
    (src / "f.png").touch()
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(src / "g.gif")
    made, before, lines = correct_folder(src, tmp_path / "dst", Settings(), 0)
    assert (made, before) == (3, 0)
    names_and_reasons = [
        ("deep/d.jpg", "damaged"),
        ("e.png", "no image file"),
        ("f.png", "empty"),
        ("g.gif", "convert"),
    ]
    for line, (name, reason) in zip(lines, names_and_reasons, strict=True):
        assert str(src / name) in line
        assert reason in line.lower()
        assert "\n" not in line
    assert set(files(tmp_path / "dst")) == {*NAMES[:3], RECORD, SOURCES}
    (src / "deep/d.jpg").write_bytes(whole)
    assert correct_folder(src, tmp_path / "dst", Settings(), 1)[:2] == (1, 3)


def test_nothing_waits_for_the_disk_image_by_image(
    src: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr("os.sync", lambda: calls.append("sync"))
    monkeypatch.setattr("os.fsync", lambda handle: calls.append("fsync"))
    assert correct_folder(src, tmp_path / "dst", Settings(), 1) == (5, 0, [])
    # The record, that of the sources, and the mark of an unfinished run.
    assert calls == ["fsync", "fsync", "fsync", "sync"]


@pytest.mark.parametrize("left", [b"", b"half"])
def test_what_a_power_cut_left_is_made_again(
    src: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: bytes
) -> None:
    (src / "f.bmp").write_bytes(b"")
    Image.open(src / "a.png").save(src / "f.bmp")
    whole, dst = tmp_path / "whole", tmp_path / "dst"
    correct_folder(src, whole, Settings(), 1)
    with monkeypatch.context() as patch:
        patch.setattr("os.sync", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            correct_folder(src, dst, Settings(), 1)
    cut = ("b.png", "deep/d.jpg", "f.bmp")
    for name in cut:
        path = dst / name
        path.write_bytes(left and path.read_bytes()[:-30])
    assert correct_folder(src, dst, Settings(), 1) == (3, 3, [])
    assert files(dst) == files(whole)
    assert correct_folder(src, dst, Settings(), 1) == (0, 6, [])


def test_nothing_stays_of_a_run_that_was_killed(src: Path, tmp_path: Path) -> None:
    dst, whole = tmp_path / "dst", tmp_path / "whole"
    correct_folder(src, whole, Settings(), 1)
    (dst / "deep").mkdir(parents=True)
    for name in (".color_constancy.json", "..unfinished", ".a.png", "deep/.d.jpg"):
        (dst / f"{name}.ab12cd34").write_bytes(b"half")
    correct_folder(src, dst, Settings(), 1)
    assert files(dst) == files(whole)


def test_a_name_of_255_bytes(src: Path, tmp_path: Path) -> None:
    name = "n" * 251 + ".png"
    (src / "a.png").rename(src / name)
    assert correct_folder(src, tmp_path / "dst", Settings(), 1) == (5, 0, [])
    assert name in files(tmp_path / "dst")


def replace(path: Path, pixels: Any, keep_time: bool) -> None:
    """Put another image into a file, with the same time or the same size."""
    before = path.stat()
    Image.fromarray(pixels).save(path)
    if keep_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("keep_time", [False, True])
def test_replaced_images_are_corrected_again(
    src: Path, tmp_path: Path, noise: Any, keep_time: bool
) -> None:
    dst = tmp_path / "dst"
    correct_folder(src, dst, Settings(), 1)
    before = files(dst)
    replace(src / "b.png", noise(9, 7), keep_time)
    assert correct_folder(src, dst, Settings(), 1) == (1, 4, [])
    after = files(dst)
    assert {name for name in after if after[name] != before[name]} == {"b.png", SOURCES}
    expected = shades_of_gray(np.asarray(Image.open(src / "b.png")))
    np.testing.assert_array_equal(np.asarray(Image.open(dst / "b.png")), expected)
    assert correct_folder(src, dst, Settings(), 1) == (0, 5, [])


def test_a_replaced_image_that_is_broken_leaves_no_old_result(src: Path, tmp_path: Path) -> None:
    correct_folder(src, tmp_path / "dst", Settings(), 1)
    (src / "b.png").write_text("<html>404</html>")
    made, existed, failures = correct_folder(src, tmp_path / "dst", Settings(), 1)
    assert (made, existed, len(failures)) == (0, 4, 1)
    assert not (tmp_path / "dst/b.png").exists()


def test_a_kill_after_a_replacement_leaves_no_old_result(
    src: Path, tmp_path: Path, noise: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dst = tmp_path / "dst"
    correct_folder(src, dst, Settings(), 1)
    for name in ("a.png", "b.png"):
        replace(src / name, noise(9, 7), False)
    for place in ("atomic_write_json", "run_parallel"):  # before and after the record
        with monkeypatch.context() as patch:
            patch.setattr(f"mmselfsup.isic.color_constancy.{place}", Killed())
            with pytest.raises(KeyboardInterrupt):
                correct_folder(src, dst, Settings(), 1)
    assert correct_folder(src, dst, Settings(), 1) == (2, 3, [])
    correct_folder(src, tmp_path / "whole", Settings(), 1)
    assert files(dst) == files(tmp_path / "whole")


class Killed:
    def __call__(self, *_: Any, **__: Any) -> None:
        raise KeyboardInterrupt


def test_folders_of_older_versions_have_no_record_of_their_sources(
    src: Path, tmp_path: Path
) -> None:
    dst = tmp_path / "dst"
    correct_folder(src, dst, Settings(), 1)
    (dst / SOURCES).unlink()
    newer = (dst / "b.png").stat().st_mtime_ns + 10**9
    os.utime(src / "b.png", ns=(newer, newer))
    assert correct_folder(src, dst, Settings(), 1) == (1, 4, [])
    assert (dst / SOURCES).exists()
