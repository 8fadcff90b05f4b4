"""Deal the images of a study's source folder into folds: run_study.py runs it."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(
        description=__doc__,
        epilog="Writes for each fold k NAME_train_fold{k}.txt and NAME_test_fold{k}.txt; "
        "NAME_subtrain_fold{k}.txt and NAME_val_fold{k}.txt split the training images 80:20 for "
        "choosing hyper-parameters. Folds are stratified by class; a group is never divided.",
    )
    parser.add_argument("--root", required=True, metavar="R", help="Read this source folder.")
    parser.add_argument("--groups", metavar="CSV", help="Ignored: the groups are in R.")
    parser.add_argument("--out", required=True, metavar="DIR", help="Write the lists here.")
    parser.add_argument("--name", required=True, help="Start the names of the lists with this.")
    parser.add_argument("--classes", nargs="+", required=True, help="Number the classes so.")
    parser.add_argument(
        "--folds", type=int, default=5, metavar="F", help="Make this number of folds (default: 5)."
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="Use this seed (default: 0)."
    )
    parser.add_argument(
        "--no-duplicates",
        action="store_true",
        help="Don't search for near-duplicates, which otherwise stay on one side of each fold.",
    )
    parser.add_argument(
        "--duplicate-distance",
        type=int,
        metavar="B",
        help="Let near-duplicates differ in this number of 256 bits (default: 24).",
    )
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the lists and say what they hold."""
    from mmselfsup.apis.study_data.study_source import make_lists
    from mmselfsup.isic.duplicates import DISTANCE, Duplicates
    from mmselfsup.study.descriptions import NAMES
    from mmselfsup.utils.errors import UserError

    distance = DISTANCE if args.duplicate_distance is None else args.duplicate_distance
    duplicates = None if args.no_duplicates else Duplicates(True, distance)
    if args.no_duplicates and args.duplicate_distance is not None:
        raise UserError("--duplicate-distance has no effect beside --no-duplicates: take one out")
    out = Path(args.out)
    summary = make_lists(
        Path(args.root), out, args.name, NAMES, args.classes, args.folds, args.seed, duplicates
    )
    for fold in summary["folds"]:
        counts = ", ".join(f"{k} {n}" for k, n in fold["test"]["class_counts"].items())
        print(f"fold {fold['fold']}: test images {counts}")
    print(
        f"{summary['num_images']} of {summary['num_listed']} listed images, "
        f"{summary['num_groups']} groups, {summary['num_without_group']} images without one; "
        f"near-duplicates of different groups: {summary['near_duplicates']}\nlists: {out}"
    )


if __name__ == "__main__":
    args = parse_args()  # before the imports, so that --help is quick

    from mmselfsup.utils.errors import run_cli

    run_cli(lambda: main(args))
