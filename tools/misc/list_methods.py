"""Print a table of the methods to choose by: family, network, teacher, memory, batch, config."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser
from mmselfsup.utils.errors import run_cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(
        description="Print a table of the methods to choose by, read from their classes and their "
        "small ISIC-2019 configs."
    )
    parser.add_argument("--family", help="Print the methods of this family only.")
    parser.add_argument("--markdown", action="store_true", help="Print Markdown.")
    return parser.parse_args(argv)


def main() -> None:
    """Print the table."""
    args = parse_args()
    from dataclasses import astuple

    from mmselfsup.apis.method_table import COLUMNS, list_methods, markdown
    from mmselfsup.models.algorithms.base import FAMILIES
    from mmselfsup.utils.console import console_table, table_text
    from mmselfsup.utils.errors import UserError

    if args.family is not None and args.family not in FAMILIES:
        raise UserError(f"--family {args.family}: give one of {', '.join(FAMILIES)}")
    methods = list_methods(Path(__file__).resolve().parents[2] / "configs" / "selfsup")
    methods = [row for row in methods if args.family in (None, row.family)]
    if args.markdown:
        print(markdown(methods), end="")
        return
    table = console_table(COLUMNS)
    for row in methods:
        table.add_row(*map(str, astuple(row)))
    print(table_text(table, width=260))


if __name__ == "__main__":
    run_cli(main)
