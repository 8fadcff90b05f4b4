"""Prepare a test set of another clinic for a study: run_study.py --external runs it."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser

ROOT = Path(__file__).resolve().parents[1]


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(
        description=__doc__,
        epilog="Writes images.txt, images.csv, groups.csv, duplicates.csv and external.json: the "
        "images of the set that have a class of the model and look like none of its own.",
    )
    parser.add_argument(
        "--set",
        required=True,
        metavar="NAME=PATH",
        help="Read this set: a folder, a table or a description; NAME may be that of a file of "
        "configs/study_data.",
    )
    parser.add_argument("--classes", nargs="+", required=True, help="Map to these classes.")
    parser.add_argument(
        "--known-list",
        nargs="+",
        required=True,
        metavar="LIST",
        help="Leave out what is like these.",
    )
    parser.add_argument("--known-images", required=True, metavar="DIR", help="Find these here.")
    parser.add_argument("--out", required=True, metavar="DIR", help="Write to this folder.")
    parser.add_argument(
        "--duplicate-distance",
        type=int,
        default=24,
        metavar="B",
        help="Let near-duplicates differ in this number of 256 bits (default: 24).",
    )
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the folder of the set and say what it holds."""
    from mmselfsup.apis.study_data.external_set import make_external
    from mmselfsup.study.external import find_external

    external = find_external(args.set, ROOT)
    facts = make_external(
        external.description,
        external.folder,
        Path(args.out),
        args.classes,
        [Path(path) for path in args.known_list],
        Path(args.known_images),
        args.duplicate_distance,
    )
    counts = ", ".join(f"{k} {n}" for k, n in zip(facts["classes"], facts["counts"], strict=True))
    print(
        f"{external.name}: {sum(facts['counts'])} of {facts['listed']} listed images ({counts}); "
        f"left out: {facts['not_on_disk']} not on disk, {sum(facts['left_out'].values())} of other "
        f"classes, {facts['near_duplicates']} near-duplicates of the study's own. "
        f"Classes of the model that the set lacks: {', '.join(facts['absent']) or 'none'}"
    )


if __name__ == "__main__":
    args = parse_args()  # before the imports, so that --help is quick

    from mmselfsup.utils.errors import run_cli

    run_cli(lambda: main(args))
