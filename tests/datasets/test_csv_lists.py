"""CSV lists: the columns are found, and a wrong cell is named by its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmselfsup.datasets.data_sources.lists import is_csv, read_csv
from mmselfsup.datasets.data_sources.metadata import read_metadata
from mmselfsup.utils.errors import UserError


@pytest.fixture
def csv(tmp_path: Path):
    def write(text: str, name: str = "list.csv") -> str:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


@pytest.mark.parametrize("name", ["image", "filename", "Name", "path"])
@pytest.mark.parametrize("label", ["label", "Target", "class"])
def test_columns(csv, name: str, label: str) -> None:
    path = csv(f'age,{name},{label}\n30,"a, b.jpg",2\n40,c.jpg,\n')
    entries, found = read_csv(path)
    assert [tuple(entry) for entry in entries] == [("a, b.jpg", 2, 2), ("c.jpg", -1, 3)]
    assert found is None


def test_names_of_classes_as_labels(csv) -> None:
    path = csv("image;label\na.jpg;NV\nb.jpg;MEL\n")
    assert [entry.label for entry in read_csv(path, ["MEL", "NV"])[0]] == [1, 0]
    entries, names = read_csv(path)  # without classes, the words are the classes
    assert ([entry.label for entry in entries], names) == ([1, 0], ["MEL", "NV"])
    with pytest.raises(UserError, match=r"line 2: label 'NV' must be one of MEL, BCC"):
        read_csv(path, ["MEL", "BCC"])


def test_numbers_as_pandas_writes_them(csv) -> None:
    assert read_csv(csv("image,label\na,3.0\n"))[0][0].label == 3
    with pytest.raises(UserError, match=r"'2\.5'"):
        read_csv(csv("image,label\na,2.5\n"))
    with pytest.raises(UserError, match="'nan'"):
        read_csv(csv("image,label\na,nan\n"))


def test_one_hot(csv) -> None:
    path = csv("image,MEL,NV,UNK\na,0.0,1.0,0.0\nb,1.0,0.0,0.0\n")
    entries, found = read_csv(path)
    assert [entry.label for entry in entries] == [1, 0]
    assert found == ["MEL", "NV", "UNK"]
    entries, found = read_csv(path, ["NV", "MEL"])  # the order of the classes counts
    assert [entry.label for entry in entries] == [0, 1]
    assert found == ["NV", "MEL"]
    with pytest.raises(UserError, match=r"class\(es\) BCC; there are image, MEL, NV, UNK"):
        read_csv(path, ["MEL", "BCC"])
    with pytest.raises(UserError, match="line 2: exactly one class must be 1"):
        read_csv(path, ["MEL", "UNK"])


def test_without_labels(csv) -> None:
    entries, found = read_csv(csv("image,age,sex\na,55,male\nb,,female\n"))
    assert [tuple(entry) for entry in entries] == [("a", -1, 2), ("b", -1, 3)]
    assert found is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("photo,label\na.jpg,1\n", "none of the columns photo, label names the image"),
        ("image,label\n", "a header but no rows"),
        ("image,label\na.jpg,1\nb.jpg\n", "line 3: 1 cells, the header has 2"),
        ("a.jpg,3\nb.jpg,4\n", "none of the columns"),
    ],
)
def test_errors(csv, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_csv(csv(text))


def test_an_underscore_is_no_part_of_a_number(csv) -> None:
    entries, names = read_csv(csv("image,label\na,2019_12\nb,2020_1\nc,2019_12\n"))
    assert ([entry.label for entry in entries], names) == ([0, 1, 0], ["2019_12", "2020_1"])
    assert read_csv(csv("image,a,b\nx,1,0_0\ny,0,1\n"))[1] is None  # no columns of classes


def test_line_breaks_inside_of_names(csv) -> None:
    names = ["a\u2028b.jpg", "c\x85d.jpg", "e\nf.jpg"]
    path = csv("image,label\n" + "".join(f'"{name}",{i}\n' for i, name in enumerate(names)))
    entries, _ = read_csv(path)
    assert [entry[:2] for entry in entries] == [(name, i) for i, name in enumerate(names)]
    table = read_metadata(csv('image,age\n"a\u2028b",5\nc\x85d,6\n', "meta.csv"), ["image", "age"])
    cells = [(row.cells["image"], row.cells["age"]) for row in table]
    assert cells == [("a\u2028b", "5"), ("c\x85d", "6")]


@pytest.mark.parametrize("read", [read_csv, lambda path: read_metadata(path, ["image"])])
def test_a_quote_that_is_not_closed(csv, read) -> None:
    path = csv('image,label\na,1\n"b,1\n' + "c,2\n" * 50_000)
    with pytest.raises(UserError, match=r"list\.csv, line 3: this is no row of a CSV file \(field"):
        read(path)
    path = csv('image,label\na,"1\nb,1\n')  # the rest would be a label
    with pytest.raises(UserError, match=r"line 2: this is no row of a CSV file \(unexpected end"):
        read(path)


def test_cells_that_begin_with_a_quote(csv) -> None:
    """As programs write them that quote no cells."""
    path = csv('image,note,label\na,"mole" of a child,1\n"b",x,2\nc,"5" or 6",0\n"d" ,e,1\n')
    entries, _ = read_csv(path)
    assert [entry.label for entry in entries] == [1, 2, 0, 1]
    assert [entry.line for entry in entries] == [2, 3, 4, 5]
    notes = [row.cells["note"] for row in read_metadata(path, ["image", "note"])]
    assert notes == ["mole of a child", "x", '5 or 6"', "e"]
    path = csv('image,note,label\na,"5 mm,1\nb,"6 mm,1\n')  # b would be a part of a note
    with pytest.raises(UserError, match="line 2: this is no row of a CSV file"):
        read_csv(path)
    for line in ('b,"x" y,"1', 'b,"x" y,"1\n'):
        with pytest.raises(UserError, match="line 3: this is no row of a CSV file"):
            read_csv(csv(f"image,note,label\na,,1\n{line}"))


def test_what_is_a_csv(csv) -> None:
    assert is_csv(csv("image,label\n"))
    assert is_csv(csv("image\na.jpg\n"))
    assert is_csv(csv("image\tlabel\n", "list.tsv"))
    assert not is_csv(csv("a/abbey/1.jpg 0\n", "train_places205.csv"))  # a list in spite of it
    assert not is_csv("list.txt")
