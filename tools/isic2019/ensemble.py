"""Average the probabilities of several models for the same images: an ensemble of the folds.

Example: python tools/isic2019/ensemble.py fold*/scores.npz --out all.npz --submission all.csv
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser
from mmselfsup.utils.errors import run_cli


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(
        description="Average the probabilities of several models for the same images.",
        epilog="Use images that none of the models was trained on. A fold's test images are "
        "training images of the other folds: the result on these is far too optimistic.",
    )
    parser.add_argument(
        "scores", nargs="+", help="Average two or more .npz or .json files of tools/test.py --out."
    )
    parser.add_argument(
        "--mean",
        choices=("arithmetic", "geometric"),  # utils.ensemble.MEANS, without loading numpy
        default="arithmetic",
        help="Use this mean of the probabilities (default: arithmetic).",
    )
    parser.add_argument(
        "--out", metavar="FILE", help="Write the ensemble's scores as .npz, .json or .csv."
    )
    parser.add_argument("--submission", metavar="CSV", help="Write a submission to the challenge.")
    parser.add_argument(
        "--unk-threshold",
        type=float,
        metavar="T",
        help="Count an image whose highest probability is below T as UNK.",
    )
    parser.add_argument(
        "--head", metavar="NAME", help="Use this head if the files hold several, e.g. head4."
    )
    parser.add_argument(
        "--metadata",
        metavar="CSV",
        help="Add numbers by source and intervals by lesion, from the columns image and lesion_id.",
    )
    parser.add_argument(
        "--bootstrap",
        type=int,
        default=1000,
        metavar="B",
        help="Use this number of resamples; no intervals with 0 (default: %(default)s).",
    )
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Average the scores, measure them where labels are known, and write the files."""
    from mmselfsup.apis.scores.ensemble import (
        check_ensemble_options,
        measure_ensemble,
        write_ensemble,
    )
    from mmselfsup.evaluation.scores import average_scores, read_score_file
    from mmselfsup.isic.challenge import submission_table, write_submission

    check_ensemble_options(args.bootstrap, args.out, args.submission)
    files = [read_score_file(path, args.head) for path in args.scores]
    joined = average_scores(files, args.mean)
    table = submission_table(joined, args.unk_threshold) if args.submission else None
    metrics = measure_ensemble(files, joined, args.metadata, args.unk_threshold, args.bootstrap)
    if args.out:
        write_ensemble(joined, metrics, args.out, {"ensemble": args.scores, "mean": args.mean})
        print(f"{args.out}: {len(joined.scores)} images, {args.mean} mean of {len(files)} models")
    if table is not None:
        write_submission(table, args.submission)
        print(f"{args.submission}: {len(table)} images")


if __name__ == "__main__":
    args = parse_args()
    run_cli(lambda: main(args))
