"""Write the reports again: of a study, and of all studies under a folder."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument(
        "work_dir", type=Path, help="Read the results of this work dir, or of all in this folder."
    )
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the reports."""
    from mmselfsup.study.pipeline import report
    from mmselfsup.study.records import read_results
    from mmselfsup.study.report.page import write_report
    from mmselfsup.study.report.tables import print_results

    own = args.work_dir / "results.json"
    if own.exists():
        print_results(read_results(own))
        print(f"\nReport:       {write_report(args.work_dir)}")
    report(args.work_dir)


if __name__ == "__main__":
    args = parse_args()  # before the imports, so that --help is quick

    from mmselfsup.utils.errors import run_cli

    run_cli(lambda: main(args))
