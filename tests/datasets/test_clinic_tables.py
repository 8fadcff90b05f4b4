"""Tables and lists as clinics write them are read as they are meant, or an error names the line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mmselfsup.datasets.class_order import check_places, new_numbers
from mmselfsup.datasets.data_sources.columns import Columns
from mmselfsup.datasets.data_sources.lists import read_list, read_table, read_text_list
from mmselfsup.utils.errors import UserError


@pytest.fixture
def table(tmp_path: Path) -> Any:
    def read(text: str, **arguments: Any) -> Any:
        (tmp_path / "t.csv").write_text(text, encoding="utf-8")
        return read_table(str(tmp_path / "t.csv"), **arguments)

    return read


def labels(listed: Any) -> list[Any]:
    return [entry.label for entry in listed.entries]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("nevus NA mel", r"line 3: 'NA' looks like a missing label, and 'nevus' \(line 2\)"),
        ("nevus nan 3", r"line 3: 'nan' looks like a missing label"),
        ("1 NaN 0", r"line 3: label 'NaN' must be a number, or empty for none"),
        ("1 nevus 0", r"line 3: label 'nevus' must be a number, as '1' in line 2 is"),
        ("1 0.5 0", r"line 3: label '0\.5' must be a whole number or the name of a class"),
        ("nevus 1 mel", r"line 3: label '1' must be a word, as 'nevus' in line 2 is"),
        ("Nevus mel nevus", r"line 4: label 'nevus' differs from 'Nevus' \(line 2\)"),
        ("a;b b c", r"line 2: label 'a;b' joins several labels: set multi_label=';'"),
    ],
)
def test_a_column_that_mixes_kinds_of_labels(table: Any, cells: str, message: str) -> None:
    rows = "".join(f"{n},{cell}\n" for n, cell in enumerate(cells.split()))
    with pytest.raises(UserError, match=message):
        table(f"image,label\n{rows}")


def test_all_classes_named_allow_what_looks_like_an_error(table: Any) -> None:
    listed = table("image,label\na,NA\nb,nevus\nc,Nevus\n", classes=["NA", "Nevus", "nevus"])
    assert labels(listed) == [0, 2, 1]


@pytest.mark.parametrize("classes", [["1", "2"], [1, 2]])
def test_a_number_names_a_class_or_is_a_place_but_not_both(table: Any, classes: list) -> None:
    assert labels(table("image,label\na,1.0\nb,2\nc,\n", classes=classes)) == [0, 1, -1]
    with pytest.raises(UserError, match=r"line 2: label '0' must be one of 1, 2"):
        table("image,label\na,0\nb,1\n", classes=classes)
    assert labels(table("image,label\na,0\nb,1\n", classes=["x", "y"])) == [0, 1]
    with pytest.raises(UserError, match=r"line 3: label '1' must be one of x, y"):
        table("image,label\na,x\nb,1\n", classes=["x", "y"])


def test_an_accent_is_the_same_letter_in_both_codes(table: Any) -> None:
    listed = table("image,label\na,Mu\u0308ller\nb,M\u00fcller\nc,y\n")
    assert (labels(listed), listed.classes) == ([0, 0, 1], ["M\u00fcller", "y"])
    assert new_numbers(["y", "Mu\u0308ller"], ["M\u00fcller", "y"], "val", "train")[0] == [1, 0]


def test_names_of_classes_that_are_numbers_have_a_value() -> None:
    assert new_numbers(["03", "01"], ["1", "2", "3"], "val", "train")[0] == [2, 0]
    with pytest.raises(UserError, match=r"val has the class\(es\) 04"):
        new_numbers(["01", "04"], ["1", "2"], "val", "train")
    check_places(["0", "1"], "val", "train")
    check_places(["nv", "mel"], "val", "train")
    with pytest.raises(UserError, match=r"val has labels without names, and .* 1, 10, 2"):
        check_places(["1", "10", "2"], "val", "train")


@pytest.mark.parametrize(
    "rows", ["a,True,False\nb,False,True\n", "a,1,\nb,,1\n", "a,1.0,\nb,0,TRUE\n"]
)
def test_one_hot_columns_of_truth_values_and_empty_cells(table: Any, rows: str) -> None:
    for arguments in ({}, {"classes": ["x", "y"]}):
        listed = table(f"image,x,y\n{rows}", **arguments)
        assert (labels(listed), listed.classes) == ([0, 1], ["x", "y"])


def test_truth_values_that_are_no_classes(table: Any) -> None:
    listed = table("image,smoker,biopsy\na,True,True\nb,False,True\n")
    assert (labels(listed), listed.classes) == ([-1, -1], None)
    with pytest.raises(UserError, match=r"name those that are by label_column"):
        table("image,x,y,smoker\na,1,0,1\nb,0,1,0\n")


def test_several_labels_out_of_range(table: Any) -> None:
    text = "image,label\na,0|2\nb,7\n"
    with pytest.raises(UserError, match=r"line 3: label 7 is not in 0\.\.2"):
        table(text, classes=["x", "y", "z"], several="|")


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("image,label,label\na,x,y\n", Columns(), "2 columns are called label"),
        ("image,image,label\na,b,y\n", Columns(), "2 columns are called image"),
        ("image,x,x\na,0,1\n", Columns(label="x"), "2 columns are called x"),
        ("image,x,y\na,0,1\n", Columns(label=["x", "x"]), "names a column twice"),
        ("image,label\na,x\n,y\n", Columns(), "line 3: the row names no image"),
    ],
)
def test_columns_and_names_that_are_not_clear(
    table: Any, text: str, columns: Columns, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        table(text, columns=columns)


def test_a_first_line_that_names_the_delimiter(table: Any) -> None:
    listed = table("sep=;\r\nimage;label\r\na, b.png;x\r\nc.png;y\r\n;\r\n")
    assert [tuple(entry) for entry in listed.entries] == [("a, b.png", 0, 3), ("c.png", 1, 4)]


@pytest.mark.parametrize("read", [read_list, read_text_list])
@pytest.mark.parametrize("line", ["b.png, 1", "b.png; 1", "b.png 0.5 1"])
def test_a_sign_between_name_and_label(tmp_path: Path, read: Any, line: str) -> None:
    path = tmp_path / "l.txt"
    path.write_text(f"a.png 0\n{line}\n")
    with pytest.raises(UserError, match=r"l\.txt, line 2: .* behind 'b\.png' is no label"):
        read(str(path))
