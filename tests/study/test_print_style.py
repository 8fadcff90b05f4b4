"""On paper a report scrolls and unfolds nothing: its tables wrap, and folded parts are named."""

import re
from pathlib import Path

import pytest

import mmselfsup.study.report

TEMPLATES = Path(mmselfsup.study.report.__file__).parent / "templates"
SCREEN, _, PRINT = (TEMPLATES / "page.css").read_text(encoding="utf-8").partition("@media print {")


def declared(css: str, selector: str) -> str:
    """Return the declarations of all rules that have a selector."""
    rules = re.findall(r"([^{}]+)\{([^{}]*)\}", re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL))
    wanted = [body for names, body in rules if selector in [n.strip() for n in names.split(",")]]
    return " ".join(wanted)


def test_nothing_is_left_out_in_silence() -> None:
    assert "display: none" not in PRINT
    folded = declared(PRINT, "details:not([open]) > summary::after")
    assert "not printed" in folded
    assert "pre-wrap" in declared(PRINT, "pre")


@pytest.mark.parametrize("cell", ["th", "td", "td small"])
def test_tables_wrap(cell: str) -> None:
    assert "white-space: normal" in declared(PRINT, cell)
    assert "overflow: visible" in declared(PRINT, ".scroll")


@pytest.mark.parametrize("whole", ["figure", "tr", ".note"])
def test_pictures_and_rows_are_not_split(whole: str) -> None:
    assert "break-inside: avoid" in declared(SCREEN + PRINT, whole)


def test_every_colour_of_the_dark_page_is_set_for_paper() -> None:
    dark = declared(SCREEN.partition("prefers-color-scheme: dark) {")[2], ":root")
    names = set(re.findall(r"--[\w-]+(?=:)", dark))
    assert len(names) > 10
    assert names == set(re.findall(r"--[\w-]+(?=:)", declared(PRINT, ":root")))
