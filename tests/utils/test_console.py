"""Tables on the terminal."""

import io

import pytest
from rich import box
from rich.console import Console
from rich.table import Column, Table

from mmselfsup.utils.console import console_table, table_console


def text_of(table: Table, width: int = 100) -> str:
    """Render a table as text."""
    stream = io.StringIO()
    Console(file=stream, width=width).print(table)
    return stream.getvalue()


@pytest.mark.parametrize("width", [100, 20])
def test_layout(width: int) -> None:
    expected = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    expected.add_column("classifier", min_width=12)
    expected.add_column("accuracy", justify="right", no_wrap=True)
    table = console_table([Column("classifier", min_width=12), "accuracy"])
    for each in (expected, table):
        each.add_row("SimCLR on all of the images", "0.5")
        each.add_row("scratch", "0.25")
    assert text_of(table, width) == text_of(expected, width)


def test_numbers_stand_on_the_right_and_stay_whole() -> None:
    table = console_table([Column("name"), "value"])
    table.add_row("a long name with many words", "0.123456789")
    lines = text_of(table, width=24).splitlines()
    assert any(line.rstrip().endswith("0.123456789") for line in lines)


@pytest.mark.parametrize(("width", "expected"), [(None, 100), (60, 100), (140, 140)])
def test_a_file_gets_a_wide_table(
    width: int | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    stream = io.StringIO()
    console = table_console(Console(file=stream, width=width))
    assert console.width == expected
    assert console.file is stream


def test_a_terminal_keeps_its_width() -> None:
    terminal = Console(file=io.StringIO(), width=60, force_terminal=True)
    assert table_console(terminal) is terminal
