"""Measure mean and standard deviation of images, and print them as a config line."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(
        description=__doc__,
        epilog="The numbers are red, green and blue in 0..1, over all pixels of all images. Use "
        "training images only.",
    )
    parser.add_argument(
        "data_prefix_",
        nargs="?",
        metavar="DIR",
        help="Read the images from this folder, as with --data-prefix.",
    )
    parser.add_argument("--data-prefix", metavar="DIR", help="Read the images from this folder.")
    parser.add_argument(
        "--ann-file",
        metavar="LIST",
        help="Use the images of this list, below that folder (default: all in it).",
    )
    parser.add_argument(
        "--size",
        type=int,
        nargs="+",
        metavar="N",
        help="Resize first, as in training: one number for the short side, two for height and "
        "width (default: keep the size).",
    )
    parser.add_argument(
        "--value-range",
        type=float,
        nargs=2,
        metavar=("BLACK", "WHITE"),
        help="Use the value_range of the data source, for files with more than 8 bits.",
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="W",
        help="Use this number of processes (default: one per core).",
    )
    args = parser.parse_args()
    args.data_prefix = args.data_prefix or args.data_prefix_
    return args


def main(args: argparse.Namespace) -> None:
    """Measure the images and print the line."""
    from mmselfsup.datasets.statistics import find_files, pixel_statistics

    files = find_files(args.data_prefix, args.ann_file)
    result = pixel_statistics(files, args.size, args.workers, args.value_range)
    print(f"# {result.num_images} images, {result.num_pixels} pixels")
    print(result.config_line())
    if result.constant:
        print(
            f"warning: {len(result.constant)} of {result.num_images} images are of one colour, "
            f"such as {result.constant[0]}: they may have been read wrongly (see --value-range)",
            file=sys.stderr,
        )


if __name__ == "__main__":
    args = parse_args()  # before the imports, so that --help is quick

    from mmselfsup.utils.errors import run_cli

    run_cli(lambda: main(args))
