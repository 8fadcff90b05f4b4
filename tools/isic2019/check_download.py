"""Check a download of ISIC-2019: sha256 of the CSV files, number of images."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser
from mmselfsup.utils.errors import run_cli


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(
        description=__doc__,
        epilog="Prints one line; with --print-images, the folder of the images alone; with "
        "--print-csv, the CSV files, one a line.",
    )
    parser.add_argument(
        "--root", required=True, metavar="R", help="Read the unpacked files from this folder."
    )
    parser.add_argument("--any-csv", action="store_true", help="Accept changed CSV files.")
    parser.add_argument("--partial", action="store_true", help="Accept fewer images than listed.")
    parser.add_argument(
        "--print-images", action="store_true", help="Print the folder of the images, for scripts."
    )
    parser.add_argument(
        "--print-csv", action="store_true", help="Print the CSV files that were checked."
    )
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Check the download and print the result."""
    from mmselfsup.isic.challenge import check_download

    download = check_download(Path(args.root), args.any_csv, args.partial)
    if args.print_images:
        print(download.images)
    elif args.print_csv:
        print(*download.csv_files, sep="\n")
    else:
        print(f"{download.num_here} of {download.num_listed} images in {download.images}")


if __name__ == "__main__":
    args = parse_args()
    run_cli(lambda: main(args))
