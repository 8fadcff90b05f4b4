"""Pre-train with several methods on the same number of views, and compare their frozen features.

Example: python tools/isic2019/compare_frozen.py --images data/isic2019/ISIC_2019_Training_Input
    --train data/isic2019/splits/ISIC_2019_train_fold0.txt
    --test data/isic2019/splits/ISIC_2019_test_fold0.txt --out work_dirs/frozen
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser
from mmselfsup.utils.errors import run_cli

ROOT = Path(__file__).resolve().parents[2]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(
        description=__doc__.split("\n", 1)[0],
        epilog="A step whose result is up to date is skipped; an interrupted one resumes. The "
        "number of epochs is the one whose views come nearest to --views, warm-ups are 5 % of the "
        "iterations. Writes frozen.json, frozen.csv and frozen.md.",
    )
    parser.add_argument(
        "--images", type=Path, required=True, help="Read the images from this folder."
    )
    parser.add_argument(
        "--train",
        type=Path,
        required=True,
        help="Read the training images from this list, lines: name label.",
    )
    parser.add_argument(
        "--test",
        type=Path,
        required=True,
        help="Read the test images, of other lesions, from this list.",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="Write to this folder."
    )
    parser.add_argument(
        "--algorithms",
        nargs="+",
        help="Compare these methods (default: all that have an ISIC-2019 config of this size).",
    )
    parser.add_argument(
        "--size", default="64", help="Use the configs of this image size: 64 (default) or 224."
    )
    parser.add_argument(
        "--views",
        type=int,
        default=64_000,
        help="Use this number of views in each training (default: %(default)s).",
    )
    parser.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        default=[0],
        help="Train with each of these seeds (default: 0).",
    )
    parser.add_argument(
        "--num-knn",
        type=int,
        default=20,
        metavar="K",
        help="Use this number of neighbours for k-NN (default: %(default)s).",
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=0,
        help="Run this number of trainings at the same time (default: one per core or GPU).",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="Read all images and results again, and restart what was made from another content, "
        "also where size and time of a file are the same.",
    )
    parser.add_argument(
        "--dataset-config",
        type=Path,
        help="Take the images of k-NN and linear probe from this config (default: knn_isic2019).",
    )
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="Override the pre-trainings' configs; a key that only some have goes to those.",
    )
    return parser.parse_args(argv)


def main() -> None:
    """Compare the methods."""
    args = parse_args()
    from mmselfsup.study.benchmark import make_settings
    from mmselfsup.study.benchmark_table import run

    run(make_settings(args, ROOT))


if __name__ == "__main__":
    run_cli(main)
