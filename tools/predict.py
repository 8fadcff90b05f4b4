"""Predict the classes of images with a trained classifier, and write them to a CSV file.

Example: python tools/predict.py work_dirs/finetune/latest.pth photos/ --out predictions.csv
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser, add_image_arguments, prepare_process
from mmselfsup.utils.errors import run_cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(
        usage="%(prog)s [CONFIG] CHECKPOINT IMAGES [IMAGES ...] --out CSV [options]",
        description="Predict the classes of images with a trained classifier.",
        epilog="Columns: image, predicted class, its probability, that of each class; an image "
        "that can't be read has its reason in the column 'error', and the exit code is 2.",
    )
    add_image_arguments(parser, "predict", batch_size=32)
    parser.add_argument("--out", required=True, metavar="CSV", help="Write to this .csv file.")
    parser.add_argument(
        "--augment",
        choices=("none", "flip", "flips", "dihedral"),  # Classification's, without loading torch
        help="Average over the views of an image (default: as the config says).",
    )
    parser.add_argument(
        "--temperature",
        type=float,
        default=1.0,
        metavar="T",
        help="Calibrate: softmax of the logits divided by T (default: 1).",
    )
    parser.add_argument("--grad-cam", metavar="DIR", help="Write heat maps to this folder.")
    parser.add_argument(
        "--patients", metavar="CSV", help="Read age, site and sex from here, for such a head."
    )
    parser.add_argument("--head", metavar="NAME", help="Use this head of several, e.g. head4.")
    return parser.parse_args(argv)


def main() -> None:
    """Predict, write the table and the pictures, and print how often each class is predicted."""
    args = parse_args()
    prepare_process(args)
    from mmselfsup.apis.inference.image_input import check_all_read, given_images, split_files
    from mmselfsup.apis.inference.prediction_pictures import write_heat_maps
    from mmselfsup.apis.inference.predictor import Predictor
    from mmselfsup.config.overrides import parse_options
    from mmselfsup.evaluation.predictions import check_predictions_file

    config, checkpoint, images = split_files(args.files)
    check_predictions_file(args.out)
    given = given_images(images, args.image_column, args.data_prefix)
    predictor = Predictor(
        checkpoint, config, args.augment, args.temperature, args.batch_size, args.workers,
        args.head, parse_options(args.cfg_options),
    )  # fmt: skip
    predictions = predictor(given, args.patients)
    predictions.write(args.out)
    counts = ", ".join(f"{name} {count}" for name, count in predictions.counts().items())
    print(f"{args.out}: {len(predictions.images)} images ({counts})")
    if args.grad_cam:
        written = write_heat_maps(predictor, predictions, given, args.grad_cam)
        print(f"{args.grad_cam}: {written} heat maps")
    check_all_read(predictions.errors, len(predictions.images))


if __name__ == "__main__":
    run_cli(main)
