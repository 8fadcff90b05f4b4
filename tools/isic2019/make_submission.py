"""Write the CSV file that the ISIC-2019 challenge scores, from the scores of tools/test.py."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.errors import run_cli


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Columns: image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK; probabilities 0..1.",
    )
    parser.add_argument("scores", help=".npz or .json of tools/test.py --out, of the test images")
    parser.add_argument("--out", required=True, metavar="CSV", help="file to write")
    parser.add_argument(
        "--unk-threshold",
        type=float,
        metavar="T",
        help="an image whose highest probability is below T is UNK (default: UNK is 0)",
    )
    parser.add_argument("--head", metavar="NAME", help="where the file holds several, e.g. head4")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    from mmselfsup.isic.submission import submission_table, write_submission
    from mmselfsup.utils.score_files import read_score_file

    table = submission_table(read_score_file(args.scores, args.head), args.unk_threshold)
    write_submission(table, args.out)
    first = table.drop(columns="image").idxmax(axis=1).value_counts()
    counts = " ".join(f"{name} {count}" for name, count in first.items())
    print(f"{args.out}: {len(table)} images ({counts})")


if __name__ == "__main__":
    args = parse_args()
    run_cli(lambda: main(args))
