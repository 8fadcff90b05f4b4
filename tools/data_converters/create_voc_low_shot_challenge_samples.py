"""Draw samples with k images of each class from the targets of VOC's training images."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser
from mmselfsup.utils.errors import run_cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument(
        "--targets_data_file", required=True, help="Read the targets from this .npy file."
    )
    parser.add_argument("--output_path", required=True, help="Write the samples to this folder.")
    parser.add_argument(
        "--k_values",
        default="1,2,4,8,16,32,64,96",
        help="Numbers of images of each class (default %(default)s).",
    )
    parser.add_argument("--num_samples", type=int, default=5, help="Samples of each k (default 5).")
    return parser.parse_args(argv)


def main() -> None:
    """Write the samples."""
    args = parse_args()
    from mmselfsup.datasets.data_sources.converters import draw_low_shot

    ks = [int(k) for k in args.k_values.split(",")]
    num = draw_low_shot(args.targets_data_file, args.output_path, ks, args.num_samples)
    print(f"{num} files: {args.output_path}")


if __name__ == "__main__":
    run_cli(main)
