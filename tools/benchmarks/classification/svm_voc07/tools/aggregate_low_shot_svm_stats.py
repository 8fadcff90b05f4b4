"""Print mean and spread of the low-shot results over the samples."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[5]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser
from mmselfsup.utils.errors import run_cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--output_path", help="Write to this folder.")
    parser.add_argument("--k_values", help="Numbers of images of each class.")
    parser.add_argument("--sample_inds", help="Samples, counted from 0.")
    return parser.parse_args(argv)


def main() -> None:
    """Print the table."""
    args = parse_args()
    from mmselfsup.apis.features.svm import aggregate

    aggregate(args)


if __name__ == "__main__":
    run_cli(main)
