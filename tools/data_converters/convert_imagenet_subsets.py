"""Convert a list of ImageNet files (n01440764_1.JPEG in each line) into one with labels."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser
from mmselfsup.utils.errors import run_cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("input", help="Read the names from this file, such as 1percent.txt.")
    parser.add_argument("output", help="Write 'FOLDER/NAME LABEL' for each to this file.")
    return parser.parse_args(argv)


def main() -> None:
    """Write the list."""
    args = parse_args()
    from mmselfsup.datasets.data_sources.converters import convert_imagenet_subset

    print(f"{convert_imagenet_subset(args.input, args.output)} images: {args.output}")


if __name__ == "__main__":
    run_cli(main)
