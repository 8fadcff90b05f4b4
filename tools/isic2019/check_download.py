"""Check a download of ISIC-2019: sha256 of the CSV files, number of images."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.errors import run_cli


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Prints one line; with --print-images only the images' folder."
    )
    parser.add_argument("--root", required=True, metavar="R", help="folder of the unpacked files")
    parser.add_argument("--any-csv", action="store_true", help="take CSV files that were changed")
    parser.add_argument("--partial", action="store_true", help="take fewer images than listed")
    parser.add_argument("--print-images", action="store_true", help="for scripts")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    from mmselfsup.isic.download import check_download

    found = check_download(Path(args.root), args.any_csv, args.partial)
    if args.print_images:
        print(found.images)
    else:
        print(f"{found.num_here} of {found.num_listed} images in {found.images}")


if __name__ == "__main__":
    args = parse_args()
    run_cli(lambda: main(args))
