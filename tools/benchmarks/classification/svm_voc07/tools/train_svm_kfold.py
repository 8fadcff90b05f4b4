"""Train linear SVMs of all classes and costs, with cross-validation."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[5]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser
from mmselfsup.utils.errors import run_cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--data_file", help="Read the features [N, ...] from this .npy file.")
    parser.add_argument(
        "--targets_data_file",
        help="Read the targets [N, C] (1, 0, -1: not counted) from this .npy file.",
    )
    parser.add_argument("--output_path", help="Write to this folder.")
    parser.add_argument(
        "--costs_list",
        default="0.01,0.1",
        metavar="C,C,...",
        help="Use these costs (default %(default)s).",
    )
    parser.add_argument(
        "--random_seed", type=int, default=100, help="Seed of the solver (default 100)."
    )
    parser.add_argument("--cls_list", help="Train these classes, such as 0,1,2 (default: all).")
    parser.add_argument(
        "--workers", type=int, default=1, help="Use this number of threads; -1 for one per core."
    )
    return parser.parse_args(argv)


def main() -> None:
    """Train the SVMs."""
    args = parse_args()
    from mmselfsup.apis.features.svm import train

    train(args)


if __name__ == "__main__":
    run_cli(main)
