"""Make a small data set of synthetic, dermoscopy-like images in the layout of ISIC-2019."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(
        description=__doc__,
        epilog="Writes ISIC_2019_Training_Input/*.jpg, ISIC_2019_Training_GroundTruth.csv and "
        "ISIC_2019_Training_Metadata.csv. Equal arguments give equal files. The same call "
        "resumes an interrupted run; a folder that holds anything else is refused.",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="Write to this folder.")
    parser.add_argument(
        "--num-images", type=int, metavar="N", help="Draw this number of images (default: 2400)."
    )
    parser.add_argument(
        "--size",
        type=int,
        metavar="S",
        help="Set the short side in pixels (default: 72, for images of 96x72).",
    )
    parser.add_argument("--seed", type=int, metavar="K", help="Use this seed (default: 0).")
    parser.add_argument(
        "--workers",
        type=int,
        metavar="W",
        help="Use this number of processes (default: one per core).",
    )
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the data set and print its counts."""
    from collections import Counter

    from mmselfsup.isic.demo.dataset import DemoSettings, make_demo_data

    options = {name: getattr(args, name) for name in ("num_images", "size", "seed")}
    settings = DemoSettings(**{name: value for name, value in options.items() if value is not None})
    photos = make_demo_data(args.out, settings, args.workers)
    counts = Counter(photo.label for photo in photos)
    lesions = len({photo.lesion for photo in photos})
    listed = " ".join(f"{label} {count}" for label, count in counts.most_common())
    print(f"{args.out}: {len(photos)} images of {lesions} lesions ({listed})")


if __name__ == "__main__":
    args = parse_args()  # before the imports, so that --help is quick

    from mmselfsup.utils.errors import run_cli

    run_cli(lambda: main(args))
