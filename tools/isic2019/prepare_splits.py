"""Make cross-validation lists of ISIC-2019: stratified by class, no lesion on both sides."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(
        description=__doc__,
        epilog="Writes for each fold k ISIC_2019_train_fold{k}.txt and ISIC_2019_test_fold{k}.txt; "
        "ISIC_2019_subtrain_fold{k}.txt and ISIC_2019_val_fold{k}.txt split the training images "
        "80:20 for choosing hyper-parameters. Lines are 'NAME.jpg label', labels 0..7 are "
        "MEL NV BCC AK BKL DF VASC SCC. splits.json has the counts.",
    )
    parser.add_argument(
        "--root",
        required=True,
        metavar="R",
        help="Read the unpacked ISIC-2019 files from this folder.",
    )
    parser.add_argument(
        "--ground-truth",
        metavar="CSV",
        help="Read labels from this file (default: ISIC_2019_Training_GroundTruth.csv below R).",
    )
    parser.add_argument(
        "--metadata",
        metavar="CSV",
        help="Read lesion ids from this file (default: ISIC_2019_Training_Metadata.csv below R).",
    )
    parser.add_argument(
        "--images",
        metavar="DIR",
        help="Read images from this folder (default: ISIC_2019_Training_Input or images below R).",
    )
    for name, what in (
        ("--test-ground-truth", "ISIC_2019_Test_GroundTruth.csv"),
        ("--test-metadata", "ISIC_2019_Test_Metadata.csv"),
    ):
        parser.add_argument(
            name,
            metavar="CSV",
            help=f"Read this file of the challenge's test set (default: R/{what}).",
        )
    parser.add_argument(
        "--test-images",
        metavar="DIR",
        help="Read the test set's images from this folder (default: ISIC_2019_Test_Input below R).",
    )
    parser.add_argument(
        "--folds", type=int, default=5, metavar="F", help="Make this number of folds (default: 5)."
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="Use this seed (default: 0)."
    )
    parser.add_argument(
        "--out", metavar="DIR", help="Write the lists to this folder (default: R/splits)."
    )
    parser.add_argument(
        "--find-duplicates",
        action="store_true",
        help="Search for near-duplicates of different lesions and write duplicates.csv.",
    )
    parser.add_argument(
        "--group-duplicates",
        action="store_true",
        help="Also keep near-duplicates on one side of each fold (this changes the folds).",
    )
    parser.add_argument(
        "--duplicate-distance",
        type=int,
        metavar="B",
        help="Let near-duplicates differ in this number of 256 bits (default: 24).",
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="W",
        help="Use this number of processes (default: one per core).",
    )
    parser.add_argument(
        "--allow-missing-class", action="store_true", help="Accept lists that lack a class."
    )
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the lists and print their tables."""
    import os
    from pathlib import Path

    from rich.console import Console

    from mmselfsup.isic.duplicates import DISTANCE, Duplicates
    from mmselfsup.isic.folds import missing_classes, source_table
    from mmselfsup.isic.prepare import PARTS, Files, fold_table, prepare_splits
    from mmselfsup.utils.errors import UserError

    duplicates, distance = None, args.duplicate_distance
    if args.find_duplicates or args.group_duplicates:
        distance = DISTANCE if distance is None else distance
        duplicates = Duplicates(args.group_duplicates, distance, args.workers)
    elif distance is not None:
        raise UserError(
            "--duplicate-distance has no effect without --find-duplicates or --group-duplicates: "
            "add one of them"
        )
    files = Files(**{name: getattr(args, name) for name in Files.__dataclass_fields__})
    summary = prepare_splits(
        args.root,
        files,
        args.folds,
        args.seed,
        args.out,
        duplicates,
        args.allow_missing_class,
    )
    out = Path(args.out or Path(args.root, "splits"))
    Console().print(fold_table(summary), source_table(summary))
    for line in missing_classes(summary["folds"], PARTS):
        print(f"warning: {line}", file=sys.stderr)
    print(
        f"{summary['num_images']} of {summary['num_listed']} listed images, "
        f"{summary['num_lesions']} lesions and {summary['num_without_lesion_id']} images without "
        f"a lesion id"
    )
    if "duplicates" in summary:
        print(
            "near-duplicates of different lesions: {num_pairs} pairs, {num_across_folds} on both "
            "sides of a fold, {num_across_classes} of different classes".format(
                **summary["duplicates"]
            )
        )
    if "challenge_test" in summary:
        print("challenge's test: {num_images} images in {file}".format(**summary["challenge_test"]))
    print(f"images: {os.path.normpath(out / summary['images'])}\nlists:  {out}")


if __name__ == "__main__":
    args = parse_args()  # before the imports, so that --help is quick

    from mmselfsup.utils.errors import run_cli

    run_cli(lambda: main(args))
