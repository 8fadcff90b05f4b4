"""Convert the annotations of iNaturalist 2018 (JSON) into a list of images with labels."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser
from mmselfsup.utils.errors import run_cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("input", help="Read this file, such as train2018.json.")
    parser.add_argument("output", help="Write 'NAME LABEL' for each image to this file.")
    return parser.parse_args(argv)


def main() -> None:
    """Write the list."""
    args = parse_args()
    from mmselfsup.datasets.data_sources.converters import convert_inaturalist

    print(f"{convert_inaturalist(args.input, args.output)} images: {args.output}")


if __name__ == "__main__":
    run_cli(main)
