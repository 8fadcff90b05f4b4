"""Lists of images are read as a user means them, or the error names the line."""

from __future__ import annotations

import logging
import string
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmselfsup.datasets import build_datasource
from mmselfsup.datasets.data_sources.lists import (
    Entry,
    check_labels,
    find_images,
    parse_line,
    read_csv,
    read_list,
    with_extension,
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


@pytest.mark.parametrize(
    ("line", "rest"),
    [
        ("im 0.jpg nevus", "'nevus' behind 'im 0.jpg'"),
        ("im0.jpg 0.5", "'0.5' behind 'im0.jpg'"),
        ("im0.jpg 1.0", "'1.0' behind 'im0.jpg'"),
        ("im0.jpg,1", "'1' behind 'im0.jpg'"),
        ("im0.jpg 0 nevus", "'0 nevus' behind 'im0.jpg'"),
        ("im0.JPG;seborrheic keratosis", "'seborrheic keratosis' behind 'im0.JPG'"),
    ],
)
def test_what_is_no_label_is_told(tmp_path: Path, line: str, rest: str) -> None:
    path = tmp_path / "list.txt"
    path.write_text(f"a.jpg 1\n{line}\n")
    with pytest.raises(UserError, match=rf"list\.txt, line 2: {rest} is no label; .*CSV file"):
        read_list(str(path))


def test_words_behind_names_without_extension(tmp_path: Path) -> None:
    (tmp_path / "ISIC_1.jpg").touch()
    with pytest.raises(UserError, match=r"line 4: 'nevus' behind 'ISIC_1' is no label"):
        with_extension([Entry("ISIC_1 nevus", -1, 4)], str(tmp_path))


@pytest.mark.parametrize(
    "label", ["1234567890", "10000001", "9" * 20, "9" * 5000, "-2", "-" + "9" * 30, "0 1234567890"]
)
def test_integers_that_are_no_labels(tmp_path: Path, label: str) -> None:
    path = tmp_path / "list.txt"
    path.write_text(f"a.jpg 1\nb.jpg {label}\n")
    with pytest.raises(UserError, match=r"list\.txt, line 2: the label of 'b\.jpg' is .*-1 is no"):
        read_list(str(path))
    csv = tmp_path / "list.csv"
    csv.write_text(f"image,label\na.jpg,1\nb.jpg,{label.split()[-1]}\n")
    with pytest.raises(UserError, match=r"list\.csv, line 3: .*label"):
        read_csv(str(csv))


def test_duplicates_are_mentioned(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in "ab":
        (tmp_path / f"{name}.png").touch()
    path = tmp_path / "list.txt"

    def logged(text: str, **config: Any) -> str:
        caplog.clear()
        path.write_text(text)
        with caplog.at_level("WARNING", "mmselfsup"):
            logging.getLogger("mmselfsup").propagate = True
            build_datasource(dict(data_prefix=str(tmp_path), ann_file=str(path), **config))
        return caplog.text

    for kind in ("ImageList", "ImageNet"):
        assert logged("a.png 0\nb.png 0\n", type=kind) == ""
        repeated = logged("a.png 0\nb.png 0\na.png 0\na.png 0\n", type=kind)
        assert "2 of 4 lines repeat" in repeated
        assert "'a.png' (lines 1 and 3)" in repeated
        text = "a.png 0\na.png 0\nb.png 0\nb.png 1\n"
        assert "'b.png' (lines 3 and 4, with the labels 0 and 1)" in logged(text, type=kind)
        for name in ("./a.png", "sub/../a.png", ".//a.png"):
            one = logged(f"a.png 0\nb.png 0\n{name} 1\n", type=kind)
            assert f"1 of 3 lines repeat an image that was listed before, such as '{name}'" in one
            assert "the same as 'a.png' (lines 1 and 3, with the labels 0 and 1)" in one
        assert logged("b.a/b.png 0\na.png 0\na./b.png 1\n", type=kind) == ""


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


def test_find_images_does_not_run_in_the_circle_of_a_link(tmp_path: Path) -> None:
    for place in ("data/a/0.png", "data/b/1.png", "elsewhere/2.png"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
    data = tmp_path / "data"
    (data / "a" / "up").symlink_to(data)
    (data / "a" / "beside").symlink_to("../b")  # with the next one, in a circle of two
    (data / "b" / "beside").symlink_to("../a")
    (data / "c").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(data / "c")
    names = ["a/0.png", "a/beside/1.png", "b/1.png", "b/beside/0.png", "c/2.png"]
    assert find_images(str(data)) == names
    (tmp_path / "link").symlink_to(data)
    assert find_images(str(tmp_path / "link")) == names


def test_find_images_beside_links_that_lead_nowhere(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(8)]
    for name in names:  # a folder is read in any order: some stand behind a link
        (tmp_path / f"loop {name[0]}").symlink_to(f"loop {name[0]}")
        (tmp_path / name).touch()
    (tmp_path / "long").symlink_to("x" * 300)
    (tmp_path / "below a file").symlink_to("0.png/inside")
    assert find_images(str(tmp_path)) == names
