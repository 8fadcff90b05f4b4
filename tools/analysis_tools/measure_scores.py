"""Measure the scores that tools/test.py wrote, and compare two classifiers on the same images.

Example: python tools/analysis_tools/measure_scores.py a.npz b.npz --metadata Metadata.csv
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
        description="Measure the scores that tools/test.py wrote; with two files, compare them."
    )
    parser.add_argument(
        "scores", nargs="+", help="Measure one or two .npz or .json files of tools/test.py --out."
    )
    parser.add_argument(
        "--metadata",
        metavar="CSV",
        help="Add numbers by source and intervals by lesion, from the columns image and lesion_id.",
    )
    parser.add_argument(
        "--unk-threshold",
        type=float,
        metavar="T",
        help="Count an image whose highest probability is below T as UNK.",
    )
    parser.add_argument(
        "--bootstrap",
        type=int,
        default=1000,
        metavar="B",
        help="Use this number of resamples; no intervals with 0 (default: %(default)s).",
    )
    parser.add_argument(
        "--head", metavar="NAME", help="Use this head if the files hold several, e.g. head4."
    )
    parser.add_argument(
        "--official",
        action="store_true",
        help="Set the numbers beside those of the program isic-challenge-scoring.",
    )
    parser.add_argument("--out", metavar="JSON", help="Write all numbers, by class and source.")
    parser.add_argument("--reliability", metavar="PNG", help="Draw the reliability plot.")
    parser.add_argument("--confusion", metavar="PNG", help="Draw the confusion matrix.")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Print the numbers and write the files that the command line names."""
    from mmselfsup.apis.scores.measure import (
        check_measure_options,
        check_same_images,
        compare,
        comparison_lines,
        labels_of,
        lesions_of,
        measure,
    )
    from mmselfsup.apis.scores.official_scorer import comparison_lines as official_lines
    from mmselfsup.apis.scores.official_scorer import official_scores
    from mmselfsup.apis.test import metric_lines
    from mmselfsup.core.hooks.eval_hook import finite
    from mmselfsup.evaluation.plots import draw_confusion, draw_reliability, write_picture
    from mmselfsup.evaluation.scores import read_score_file
    from mmselfsup.metrics import confusion_matrix, nested, with_unknown, without_threshold
    from mmselfsup.utils.errors import UserError
    from mmselfsup.utils.files import atomic_write_json

    if len(args.scores) > 2:
        raise UserError(f"give one file of scores or two, not {len(args.scores)}")
    check_measure_options(args.bootstrap, args.out, (args.reliability, args.confusion))
    files = [read_score_file(path, args.head) for path in args.scores]
    check_same_images(files[0], files[-1])
    lesions = [lesions_of(file, args.metadata) for file in files]
    options = (args.unk_threshold, args.bootstrap)
    results: dict[str, object] = {}
    for file, known in zip(files, lesions, strict=True):
        numbers = measure(file, known, *options)
        print(f"{file.path}, {len(file.scores)} images", *metric_lines(numbers), sep="\n")
        results[file.path] = nested(finite(numbers))
        if args.official:
            beside = official_scores(file)
            print(*official_lines(beside), sep="\n")
            results[f"{file.path}, official"] = {name: pair[1] for name, pair in beside.items()}
    if len(files) == 2 and args.bootstrap:
        compared = compare(files[0], files[1], lesions[0] or lesions[1], *options)
        print("second - first", *comparison_lines(compared, numbers), sep="\n")
        results["second - first"] = {name: finite(row) for name, row in compared.items()}
    if args.out:
        atomic_write_json(args.out, results)
    scores, names = with_unknown(files[-1].scores, files[-1].classes, args.unk_threshold)
    labels = labels_of(files[-1])
    if args.reliability:
        sure = without_threshold(files[-1].scores, args.unk_threshold)
        write_picture(args.reliability, draw_reliability(sure, labels))
    if args.confusion:
        matrix = confusion_matrix(scores, labels, scores.shape[1])
        names = names or [str(i) for i in range(len(matrix))]
        write_picture(args.confusion, draw_confusion(matrix, names))


if __name__ == "__main__":
    args = parse_args()
    run_cli(lambda: main(args))
