"""Plant near-duplicates, off-topic images and wrong labels, to measure find_issues.py."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser
from mmselfsup.utils.errors import run_cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(
        description=__doc__,
        epilog="The images stay as they are. Writes images/ (links, and the planted files), "
        "list.txt, metadata.csv and planted.csv, which find_issues.py --planted reads. Equal "
        "arguments give equal files.",
    )
    parser.add_argument(
        "--images", type=Path, required=True, help="Read the images from this folder."
    )
    parser.add_argument(
        "--list",
        type=Path,
        required=True,
        help="Read the images with their labels from this list, text or CSV.",
    )
    parser.add_argument("--metadata", type=Path, help="Read the lesion ids from this CSV file.")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="Write to this folder."
    )
    for name, default, what in (
        ("copies", 0.01, "Add this number of near-duplicates"),
        ("others", 0.01, "Add this number of off-topic images"),
        ("wrong", 0.05, "Replace this number of labels"),
    ):
        parser.add_argument(
            f"--{name}",
            type=float,
            default=default,
            metavar="FRACTION",
            help=f"{what}, as a fraction of the images (default: %(default)s).",
        )
    parser.add_argument("--seed", type=int, default=0, help="Use this seed (default: %(default)s).")
    return parser.parse_args(argv)


def main() -> None:
    """Plant the issues and print their numbers."""
    args = parse_args()
    from collections import Counter

    from mmselfsup.isic.demo.planting import Plan, plant

    plan = Plan(args.copies, args.others, args.wrong, args.seed)
    planted = plant(args.images, args.list, args.metadata, args.out, plan)
    counts = Counter(item.kind for item in planted)
    print(f"{args.out}: planted " + ", ".join(f"{n} {kind}" for kind, n in counts.items()))


if __name__ == "__main__":
    run_cli(main)
