"""Correct the colours of all images of a folder (colour constancy by Shades of Gray)."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(
        description=__doc__,
        epilog="Subfolders are preserved. Existing images are skipped, so that an interrupted run "
        "resumes. The exit status is 1 if images could not be read; the others are done then.",
    )
    parser.add_argument(
        "--src", required=True, metavar="DIR", help="Read the images from this folder."
    )
    parser.add_argument("--dst", required=True, metavar="DIR", help="Write to this folder.")
    parser.add_argument(
        "--power",
        type=float,
        default=6.0,
        metavar="P",
        help="Use this Minkowski power (default: 6).",
    )
    parser.add_argument(
        "--gamma",
        type=float,
        metavar="G",
        help="Apply 255*(I/255)^(1/G) first; 2.2 is common (default: no gamma).",
    )
    parser.add_argument(
        "--crop-border",
        action="store_true",
        help="Cut away the dark border round the field of view first, and nothing else.",
    )
    parser.add_argument(
        "--keep-colors", action="store_true", help="Only crop and shrink; keep the colours."
    )
    parser.add_argument(
        "--short-side",
        type=int,
        metavar="N",
        help="Shrink larger images to N pixels on the short side; the light is measured before, "
        "the colours are corrected afterwards (default: keep the size).",
    )
    parser.add_argument(
        "--quality",
        type=int,
        default=95,
        metavar="Q",
        help="Set the quality of JPEG files, 1 to 100 (default: 95).",
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="W",
        help="Use this number of processes (default: one per core).",
    )
    return parser.parse_args()


def main(args: argparse.Namespace) -> int:
    """Correct the folder; return the exit status."""
    from mmselfsup.isic.color_constancy import Settings, correct_folder

    settings = Settings(
        args.power,
        args.gamma,
        args.short_side,
        args.quality,
        args.crop_border,
        args.keep_colors,
    )
    written, existing, failures = correct_folder(args.src, args.dst, settings, args.workers)
    counts = f"{written} images made, {existing} existed, {len(failures)} could not be read"
    print(f"{counts}: {args.dst}")
    for line in failures:
        print(f"error: {line}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    args = parse_args()  # before the imports, so that --help is quick

    from mmselfsup.utils.errors import run_cli

    run_cli(lambda: main(args))
