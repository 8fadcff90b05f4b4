"""Names of image files."""

import sys
from itertools import takewhile

import numpy as np
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
        (r"a\b.png", "b"),
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
        (["1.jpg"], [("train/1.jpg", "A")], ["A"]),
        (["train/1.jpg"], [("1", "A")], ["A"]),
        (["/d/in/p/1.jpg"], [("./p/1", "A"), ("1", "B")], ["A"]),
        (["p/1.jpg"], [("in/p/1", "A"), ("q/1", "B")], ["A"]),
        (["a/1.jpg", "b/1.jpg"], [("a/1", "A")], ["A", None]),  # the row is that of the other
        (["b/1.jpg"], [("a/1", "A")], [None]),  # also where the other is not listed
        (["in/b/1.jpg"], [("in/a/1", "A"), ("x/b/1", "B")], [None]),
        (["a/1.jpg", "b/1.jpg"], [("1", "A")], ["A", "A"]),  # two versions of one image
        (["1.jpg"], [("1", ""), ("1", "A"), ("1", "A")], ["A"]),
        (["2.jpg"], [("1", "A")], [None]),
        (["a/1.jpg", "b/1.jpg"], [(r"a\1.jpg", "A"), (r"C:\in\b\1.jpg", "B")], ["A", "B"]),
    ],
)
def test_cells(names: list[str], rows: list[tuple[str, str]], cells: list[str | None]) -> None:
    assert cells_of_images(names, rows, "t.csv") == cells


def test_rows_that_differ() -> None:
    with pytest.raises(UserError, match=r"t.csv: 3 rows may be that of the image 1.jpg.*\(A, B\)"):
        cells_of_images(["1.jpg"], ROWS, "t.csv")


def slow_cell(name: str, rows: list[tuple[str, str]]) -> str | None:
    """Return the cell of an image: rows are compared with it one by one, part by part."""
    image = name.split("/")[::-1]
    fits: dict[int, list[str]] = {}
    for row, cell in rows:
        pairs = list(zip(image, row.split("/")[::-1], strict=False))
        same = list(takewhile(lambda pair: pair[0] == pair[1], pairs))
        if len(same) == len(pairs):
            fits.setdefault(len(same), []).append(cell)
    if not fits:
        return None
    values = set(fits[max(fits)]) - {""}
    return "differ" if len(values) > 1 else next(iter(values), "")


def test_cells_of_random_names() -> None:
    rng = np.random.default_rng(0)

    def path() -> str:
        return "/".join(rng.choice(["a", "b", "c"], rng.integers(1, 5)))

    seen = set()
    for _ in range(60):
        rows = [(path(), str(rng.choice(["", "A", "B"]))) for _ in range(rng.integers(1, 12))]
        for name in {path() for _ in range(30)}:
            expected = slow_cell(name, rows)
            seen.add(expected)
            if expected == "differ":
                with pytest.raises(UserError, match="they differ"):
                    cells_of_images([name], rows, "t.csv")
            else:
                assert cells_of_images([name], rows, "t.csv") == [expected]
    assert seen == {None, "", "A", "B", "differ"}


def num_calls(num_images: int) -> int:
    """Return how many functions are called for images of one name in folders of patients."""
    names = [f"P{number}/image.jpg" for number in range(num_images)]
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        cells_of_images(names, [(name, "A") for name in names], "t.csv")
    finally:
        sys.setprofile(before)
    return calls


def test_work_grows_with_the_number_of_images() -> None:
    """Each image is not compared with all rows of the same name."""
    assert num_calls(200) < 5 * num_calls(50)
