"""Lists of images are read as a user means them, or the error names the line."""

from __future__ import annotations

import string
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmselfsup.datasets.data_sources.lists import (
    Entry,
    check_labels,
    find_images,
    parse_line,
    read_list,
)
from mmselfsup.utils.errors import UserError

WORD = st.text(string.ascii_letters + string.digits + "._-/()äß", min_size=1, max_size=8)
NAME = st.lists(WORD, min_size=1, max_size=4).map(lambda words: " ".join(words) + ".jpg")


@given(NAME, st.integers(-1, 10**6))
def test_name_and_label_come_back(name: str, label: int) -> None:
    assert parse_line(f"{name} {label}") == (name, label)
    assert parse_line(f"{name}\t{label}") == (name, label)


@given(NAME)
def test_bare_name_has_no_label(name: str) -> None:
    assert parse_line(name) == (name, -1)


@given(NAME, st.lists(st.integers(-1, 1), min_size=2, max_size=20))
def test_several_labels(name: str, labels: list[int]) -> None:
    assert parse_line(" ".join([name, *map(str, labels)])) == (name, labels)


@pytest.mark.parametrize(
    ("line", "name", "label"),
    [
        ("a b c.jpg 3", "a b c.jpg", 3),
        ("scan 12 3", "scan 12", 3),  # no extension: the last integer is the label
        ("photo 1 2.jpg 3", "photo 1 2.jpg", 3),
        ("12345", "12345", -1),
        ("a.jpg melanoma", "a.jpg melanoma", -1),
        ("two  blanks.JPG   7", "two  blanks.JPG", 7),
        ("x.png +1", "x.png", 1),
    ],
)
def test_lines(line: str, name: str, label: int) -> None:
    assert parse_line(line) == (name, label)


def test_read_list_keeps_line_numbers(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes("\ufeffa.jpg 1\r\n\r\n  b c.jpg 2  \r\nd.jpg".encode())
    assert read_list(str(path)) == [
        Entry("a.jpg", 1, 1),
        Entry("b c.jpg", 2, 3),
        Entry("d.jpg", -1, 4),
    ]


def test_long_list_is_fast(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("".join(f"ISIC_{i:07d}.jpg {i % 8}\n" for i in range(30_000)))
    start = time.process_time()
    assert len(read_list(str(path))) == 30_000
    assert time.process_time() - start < 1  # about 0.05 s


def test_errors_name_the_list(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    with pytest.raises(UserError, match=r"list\.txt: no such list"):
        read_list(str(path))
    path.write_text("\n  \n")
    with pytest.raises(UserError, match=r"list\.txt: the list is empty"):
        read_list(str(path))
    path.write_bytes(b"\xff\xd8\xff\xe0 a JPEG by mistake")
    with pytest.raises(UserError, match="no text"):
        read_list(str(path))
    with pytest.raises(UserError, match="can't read this list"):
        read_list(str(tmp_path))


def test_check_labels() -> None:
    check_labels([Entry("a", -1, 1), Entry("b", 7, 2)], 8, "list.txt")
    with pytest.raises(UserError, match=r"list\.txt, line 3: label 8 of 'c' is not in 0\.\.7"):
        check_labels([Entry("a", 0, 1), Entry("c", 8, 3)], 8, "list.txt")
    with pytest.raises(UserError, match="label -2"):
        check_labels([Entry("a", -2, 1)], 8, "list.txt")
    with pytest.raises(UserError, match="has 2 labels, 3 classes"):
        check_labels([Entry("a", [0, 1], 1)], 3, "list.txt")


def test_find_images(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.txt", "x/y/c.png", "x/._c.png", ".cache/d.png", "a b/e.tif"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert find_images(str(tmp_path)) == ["a b/e.tif", "b.JPG", "x/y/c.png"]
