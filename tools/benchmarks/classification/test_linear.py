"""Fit a balanced linear classifier on frozen features and measure it.

Example: python tools/benchmarks/classification/test_linear.py CONFIG --checkpoint latest.pth
    --dataset-config configs/benchmarks/classification/knn_isic2019-64.py
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser, add_frozen_arguments, prepare_process
from mmselfsup.utils.errors import run_cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(
        description="Measure frozen features: a logistic regression on standardised features is "
        "fitted to data.train, each class with equal weight, and measured on data.val."
    )
    parser.add_argument(
        "-C",
        "--penalty",
        type=float,
        nargs="+",
        default=[0.01],
        metavar="C",
        help="Use scikit-learn's C (default: 0.01); of several, take the best on a held-out fifth "
        "of the training samples.",
    )
    add_frozen_arguments(parser)
    return parser.parse_args(argv)


def main() -> None:
    """Measure the features."""
    args = parse_args()
    prepare_process(args)
    from mmselfsup.apis.features.frozen_features import run

    run(args, "linear")


if __name__ == "__main__":
    run_cli(main)
