"""Convert the ResNet of a checkpoint into a .pkl file for detectron2."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser
from mmselfsup.utils.errors import run_cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument(
        "input", help="Read this checkpoint: of a pre-training, or a backbone alone."
    )
    parser.add_argument("output", help="Write to this file, which ends with .pkl.")
    return parser.parse_args(argv)


def main() -> None:
    """Write the file."""
    args = parse_args()
    from mmselfsup.core.checkpoint.detectron2 import convert_to_detectron2

    print(f"{convert_to_detectron2(args.input, args.output)} weights: {args.output}")


if __name__ == "__main__":
    run_cli(main)
