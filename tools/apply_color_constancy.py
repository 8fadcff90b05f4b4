"""Take the colour of the light out of all images of a folder (Shades of Gray)."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that a clone needs no install


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Keeps sub-folders, skips what is done, may be stopped and called again. Exits with "
        "1 when images could not be read; the others are done then.",
    )
    parser.add_argument("--src", required=True, metavar="DIR", help="folder of the images")
    parser.add_argument("--dst", required=True, metavar="DIR", help="folder of the new images")
    parser.add_argument(
        "--power", type=float, default=6.0, metavar="P", help="Minkowski power (default: 6)"
    )
    parser.add_argument(
        "--gamma",
        type=float,
        metavar="G",
        help="first apply 255*(I/255)^(1/G), 2.2 is common (default: don't)",
    )
    parser.add_argument(
        "--crop-border",
        action="store_true",
        help="first cut the dark border round the field of view away, and nothing else",
    )
    parser.add_argument(
        "--keep-colors", action="store_true", help="don't correct the colours, only crop and shrink"
    )
    parser.add_argument(
        "--short-side",
        type=int,
        metavar="N",
        help="make larger images smaller, to N pixels on the short side; the light is measured "
        "before, the colours are corrected afterwards (default: keep the size)",
    )
    parser.add_argument(
        "--quality", type=int, default=95, metavar="Q", help="of JPEG files, 1..100 (default: 95)"
    )
    parser.add_argument(
        "--workers", type=int, metavar="W", help="number of processes (default: one a core)"
    )
    return parser.parse_args()


def main(args: argparse.Namespace) -> int:
    from mmselfsup.isic.color_constancy_folder import Settings, correct_folder

    settings = Settings(
        args.power,
        args.gamma,
        args.short_side,
        args.quality,
        args.crop_border,
        args.keep_colors,
    )
    made, before, failures = correct_folder(args.src, args.dst, settings, args.workers)
    print(f"{made} images made, {before} were there, {len(failures)} could not be read: {args.dst}")
    for line in failures:
        print(f"error: {line}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    args = parse_args()  # before the imports, so that --help is quick

    from mmselfsup.utils.errors import run_cli

    run_cli(lambda: main(args))
