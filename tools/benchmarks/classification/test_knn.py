"""Classify images by the nearest neighbours of their frozen features.

Example: python tools/benchmarks/classification/test_knn.py CONFIG --checkpoint latest.pth
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
        description="Measure frozen features: each image of data.val is classified by the images "
        "of data.train whose features are most similar (cosine), each with the weight "
        "exp(similarity / temperature)."
    )
    parser.add_argument(
        "--num-knn",
        type=int,
        nargs="+",
        metavar="K",
        help="Use these numbers of neighbours (default: those of 10 20 100 200 that the training "
        "set has).",
    )
    parser.add_argument(
        "--temperature",
        type=float,
        default=0.07,
        metavar="T",
        help="Use this temperature for the weights (default: 0.07).",
    )
    add_frozen_arguments(parser)
    return parser.parse_args(argv)


def main() -> None:
    """Measure the features."""
    args = parse_args()
    prepare_process(args)
    from mmselfsup.apis.features.frozen_features import run

    run(args, "knn")


if __name__ == "__main__":
    run_cli(main)
