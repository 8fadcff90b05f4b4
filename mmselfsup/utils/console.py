"""Tables on the terminal, all with the same layout."""

import io
from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Column, Table

_MIN_WIDTH = 100  # columns where the output is no terminal


def console_table(columns: Iterable[str | Column]) -> Table:
    """Return a table without rows.

    Args:
        columns: The header of a column of numbers, which are aligned to the right and never wrap,
            or a ``Column`` of another kind.
    """
    layout = [
        Column(column, justify="right", no_wrap=True) if isinstance(column, str) else column
        for column in columns
    ]
    return Table(*layout, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)


def table_console(console: Console | None = None) -> Console:
    """Return a console that is wide enough for a table.

    Where the output is a pipe or a file, rich assumes 80 columns, too few for a column for each
    class.

    Args:
        console: The console to write to; None for standard output.
    """
    console = console or Console()
    if console.is_terminal:
        return console
    return Console(width=max(console.width, _MIN_WIDTH), file=console.file)


def table_text(table: Table, width: int = 120) -> str:
    """Return a table as text for a log.

    Args:
        table: The table.
        width: Columns; longer cells are broken.
    """
    text = io.StringIO()
    Console(file=text, width=width, markup=False, highlight=False).print(table)
    return text.getvalue().rstrip()
