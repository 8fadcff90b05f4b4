"""Write a submission to the ISIC-2019 challenge from the scores of tools/test.py."""

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
        epilog="Columns: image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK; probabilities 0..1.",
    )
    parser.add_argument(
        "scores", help="Read the scores of the test images, from tools/test.py --out."
    )
    parser.add_argument("--out", required=True, metavar="CSV", help="Write to this file.")
    parser.add_argument(
        "--unk-threshold",
        type=float,
        metavar="T",
        help="Mark images as UNK whose highest probability is below T (default: UNK is 0).",
    )
    parser.add_argument(
        "--head", metavar="NAME", help="Use this head if the file holds several, e.g. head4."
    )
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the submission and print the number of images of each class."""
    from mmselfsup.evaluation.scores import read_score_file
    from mmselfsup.isic.challenge import submission_table, write_submission
    from mmselfsup.utils.files import check_ending, check_writable

    check_ending("--out", args.out, ".csv")
    check_writable(args.out)
    table = submission_table(read_score_file(args.scores, args.head), args.unk_threshold)
    write_submission(table, args.out)
    first = table.drop(columns="image").idxmax(axis=1).value_counts()
    counts = ", ".join(f"{name} {count}" for name, count in first.items())
    print(f"{args.out}: {len(table)} images ({counts})")


if __name__ == "__main__":
    args = parse_args()
    run_cli(lambda: main(args))
