"""Names of image files."""

import pytest

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.image_names import cells_of_images, has_image_extension, image_stem


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.jpg", "a"),
        (" a/b/c.JPEG ", "c"),
        ("a.gif", "a"),
        ("a.tar.png", "a.tar"),
        ("scan.2", "scan.2"),
        ("folder.png/a", "a"),
        ("", ""),
    ],
)
def test_stem(name: str, stem: str) -> None:
    assert image_stem(name) == stem


def test_extensions() -> None:
    assert has_image_extension("A.TIFF")
    assert not has_image_extension("a.txt")
    assert not has_image_extension("jpg")


ROWS = [("p1/1.jpg", "A"), ("p1/2.jpg", "A"), ("p2/1.jpg", "B"), ("p3/1", "")]


@pytest.mark.parametrize(
    ("names", "rows", "cells"),
    [
        (["p1/1.png", "p2/1.png", "p3/1.png", "p1/2.png"], ROWS, ["A", "B", "", "A"]),
        (["set/p2/1.jpg", "set/p1/1.jpg"], ROWS, ["B", "A"]),  # folders of one side alone
        (["1.jpg", "2.jpg"], [("x/1", "A"), ("x/2", "B")], ["A", "B"]),
        (["in/1.jpg"], [("train/1.jpg", "A")], ["A"]),  # no other image is meant
        (["a/1.jpg", "b/1.jpg"], [("a/1", "A")], ["A", None]),  # the row is that of the other
        (["a/1.jpg", "b/1.jpg"], [("1", "A")], ["A", "A"]),  # two versions of one image
        (["1.jpg"], [("1", ""), ("1", "A"), ("1", "A")], ["A"]),
        (["2.jpg"], [("1", "A")], [None]),
    ],
)
def test_cells(names: list[str], rows: list[tuple[str, str]], cells: list[str | None]) -> None:
    assert cells_of_images(names, rows, "t.csv") == cells


def test_rows_that_differ() -> None:
    with pytest.raises(UserError, match=r"t.csv: 3 rows may be that of the image 1.jpg.*\(A, B\)"):
        cells_of_images(["1.jpg"], ROWS, "t.csv")
