"""Names of image files."""

import pytest

from mmselfsup.utils.image_names import has_image_extension, image_stem


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
