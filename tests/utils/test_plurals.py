"""Numbers with the word that they count."""

import re
from pathlib import Path

import pytest

import mmselfsup
from mmselfsup.utils.plurals import counted, plural


@pytest.mark.parametrize(
    ("number", "words", "text"),
    [
        (1, ("epoch",), "1 epoch"),
        (2, ("epoch",), "2 epochs"),
        (0, ("image",), "0 images"),
        (2, ("class",), "2 classes"),
        (1, ("class",), "1 class"),
        (3, ("batch",), "3 batches"),
        (1, ("class has", "classes have"), "1 class has"),
        (2, ("class has", "classes have"), "2 classes have"),
    ],
)
def test_numbers_and_words(number: int, words: tuple[str, ...], text: str) -> None:
    assert counted(number, *words) == text
    assert plural(number, *words) == text.partition(" ")[2]


def test_epochs_are_never_counted_by_hand() -> None:
    """One epoch is the demo's and a first try's: texts say ``1 epoch``."""
    root = Path(mmselfsup.__file__).parent
    files = [*root.rglob("*.py"), *root.rglob("*.j2")]
    found = [
        f"{path.relative_to(root)}: {text}"
        for path in files
        for text in re.findall(
            r"epochs\w*\}+ epochs?\b|\w+\((?:s|es)\) (?:of|in|have)\b", path.read_text()
        )
    ]
    assert [text for text in found if "int(s)" not in text] == []
