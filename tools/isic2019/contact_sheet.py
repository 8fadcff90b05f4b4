"""Draw a contact sheet of images before and after their preparation."""

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
        epilog="Half of the images are those with the largest dark borders; a green frame shows "
        "the part that remains.",
    )
    parser.add_argument(
        "--before", required=True, metavar="DIR", help="Read the original images from this folder."
    )
    parser.add_argument(
        "--after", required=True, metavar="DIR", help="Read the prepared images from this folder."
    )
    parser.add_argument(
        "--out", required=True, metavar="FILE", help="Write to this .png or .jpg file."
    )
    parser.add_argument(
        "--num",
        type=int,
        default=24,
        metavar="N",
        help="Show this number of images (default: %(default)s).",
    )
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the sheet."""
    from mmselfsup.isic.contact_sheet import write_sheet

    number = write_sheet(Path(args.before), Path(args.after), Path(args.out), args.num)
    print(f"{args.out}: {number} images before and after")


if __name__ == "__main__":
    args = parse_args()
    run_cli(lambda: main(args))
