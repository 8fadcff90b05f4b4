"""Test the linear SVMs of all low-shot samples."""

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
    parser.add_argument("--json_targets", help="Take the names of the images from this JSON file.")
    parser.add_argument(
        "--generate_json", type=int, default=0, help="Also write the results as JSON with 1."
    )
    parser.add_argument(
        "--costs_list",
        default="0.0000001,0.000001,0.00001,0.0001,0.001,0.01,0.1,1.0,10.0,100.0",
        metavar="C,C,...",
        help="Use these costs (default %(default)s).",
    )
    parser.add_argument("--output_path", help="Write to this folder.")
    parser.add_argument(
        "--k_values",
        default="1,2,4,8,16,32,64,96",
        help="Numbers of images of each class (default %(default)s).",
    )
    parser.add_argument(
        "--sample_inds", default="0,1,2,3,4", help="Samples, counted from 0 (default %(default)s)."
    )
    parser.add_argument(
        "--dataset",
        default="voc",
        help="An option of 0.x; the shape of the targets says what they are.",
    )
    return parser.parse_args(argv)


def main() -> None:
    """Test the SVMs."""
    args = parse_args()
    from mmselfsup.apis.features.svm import test_low_shot

    test_low_shot(args)


if __name__ == "__main__":
    run_cli(main)
