"""Write lists with 1 % and 10 % of the labelled images of a training list, by whole lesions.

Example: python tools/isic2019/make_label_subsets.py \
    --list data/isic2019/splits/ISIC_2019_subtrain_fold0.txt \
    --metadata data/isic2019/ISIC_2019_Training_Metadata.csv
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser
from mmselfsup.utils.errors import run_cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(
        description="Write LIST_1pct.txt and LIST_10pct.txt: whole lesions, each class with its "
        "part, at least one lesion of each class. The larger list contains the smaller one."
    )
    parser.add_argument("--list", required=True, help="Take the images of this training list.")
    parser.add_argument(
        "--metadata", required=True, metavar="CSV", help="Read lesion ids from this file."
    )
    parser.add_argument(
        "--percent",
        type=float,
        nargs="+",
        default=[1, 10],
        metavar="P",
        help="Keep this part of each class (default: 1 10).",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="Use this seed (default: 0)."
    )
    parser.add_argument(
        "--out", metavar="DIR", help="Write the lists to this folder (default: beside the list)."
    )
    return parser.parse_args(argv)


def main() -> None:
    """Write the lists and print their lengths."""
    args = parse_args()
    from collections import Counter

    from mmselfsup.isic.label_subset import write_subsets

    written = write_subsets(args.list, args.metadata, args.percent, args.seed, args.out)
    for path, rows in written.items():
        counts = Counter(row.label for row in rows)
        shown = ", ".join(f"{label}: {count}" for label, count in sorted(counts.items()))
        print(f"{path}: {len(rows)} images (by label {shown})")


if __name__ == "__main__":
    run_cli(main)
