"""Rank near-duplicates, off-topic images and likely label errors by the features of a network."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser, prepare_process
from mmselfsup.utils.errors import run_cli
from mmselfsup.utils.repository import in_repository


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(
        description=__doc__,
        epilog="Writes duplicates_across_lesions.csv, duplicates_within_lesions.csv, "
        "off_topic.csv, label_errors.csv, issues.json, thumbs/ and issues.html, which shows the "
        "first entries of each ranking. Nothing is removed from the data set. Features are cached "
        "in features.npz. The page and thumbs/ show the images: keep them where these may be.",
    )
    parser.add_argument("config", nargs="?", help="Use the network of this pre-training config.")
    parser.add_argument(
        "checkpoint",
        nargs="?",
        help="Read its weights from this file; 'none' takes the untrained network.",
    )
    parser.add_argument(
        "--features",
        type=Path,
        metavar="FILE.npz",
        help="Take the features from this file in place of CONFIG CHECKPOINT: 'features' [N, D]; "
        "if there, 'names' (or 'images', as embed.py writes them), 'labels', 'lesions' [N] and "
        "'classes'.",
    )
    parser.add_argument("--images", type=Path, help="Read the images from this folder.")
    parser.add_argument(
        "--list",
        type=Path,
        help="Read names and labels from this list, text or CSV (default: all images of the "
        "folder; its sub-folders are classes).",
    )
    parser.add_argument(
        "--metadata",
        type=Path,
        help="Read the lesion of each image from this CSV file (columns image, lesion_id).",
    )
    parser.add_argument(
        "--group-words",
        nargs=2,
        metavar=("ONE", "SEVERAL"),
        help="Call what the column lesion_id holds so in page and notes, such as 'patient "
        "patients' (default: as the study beside the metadata does, otherwise lesion, lesions).",
    )
    parser.add_argument(
        "--dataset-config",
        default=in_repository("configs/benchmarks/classification/knn_isic2019.py"),
        help="Prepare the images as data.val of this config (default: knn_isic2019.py, 224 px).",
    )
    parser.add_argument(
        "--neighbours",
        type=int,
        default=10,
        metavar="K",
        help="Seek duplicates among this number of neighbours (default: %(default)s).",
    )
    parser.add_argument(
        "--show",
        type=int,
        default=24,
        metavar="N",
        help="Show this number of entries of each ranking (default: %(default)s).",
    )
    parser.add_argument(
        "--planted",
        type=Path,
        metavar="FILE",
        help="Measure how many issues of this planted.csv (plant_issues.py) are found.",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="Draw the weights of the untrained network with this seed (default: %(default)s).",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="Write to this folder."
    )
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="Override the config, or with data.val.KEY=VALUE that of the data set.",
    )
    parser.set_defaults(local_rank=None)  # one process; prepare_process needs it
    return parser.parse_args(argv)


def main() -> None:
    """Rank the issues and write the page."""
    args = parse_args()
    prepare_process(args)
    from mmselfsup.apis.features.find_issues import run
    from mmselfsup.study.report.issues_page import write_issues_page

    run(args)
    print(f"written: {write_issues_page(args.out)}")


if __name__ == "__main__":
    run_cli(main)
