"""Measure a trained model on the test images of a config.

Example: python tools/test.py CONFIG work_dirs/run/latest.pth --out scores.json
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that a clone needs no install

from mmselfsup.utils.cli import (
    ArgumentParser,
    add_check_argument,
    add_run_arguments,
    prepare_process,
)
from mmselfsup.utils.errors import run_cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(description="Measure a trained model on data.test (or val).")
    parser.add_argument("config", help="Use this config.")
    parser.add_argument("checkpoint", help="Read this checkpoint.")
    parser.add_argument(
        "--out",
        help="Write metrics, scores and labels to a .json file, scores and labels as arrays to a "
        ".npz file, or a table of probabilities to a .csv file.",
    )
    add_check_argument(parser)
    add_run_arguments(parser)
    return parser.parse_args(argv)


def main() -> None:
    """Test the model."""
    args = parse_args()
    prepare_process(args)
    from mmselfsup.apis.test import run_testing

    run_testing(args)


if __name__ == "__main__":
    run_cli(main)
