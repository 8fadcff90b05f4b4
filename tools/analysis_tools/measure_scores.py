"""Measure the scores that tools/test.py wrote, and compare two classifiers on the same images.

Example: python tools/analysis_tools/measure_scores.py a.npz b.npz --metadata Metadata.csv
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.errors import run_cli


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Measure the scores that tools/test.py wrote; with two files, compare them."
    )
    parser.add_argument("scores", nargs="+", help=".npz or .json of tools/test.py --out; 1 or 2")
    parser.add_argument(
        "--metadata",
        metavar="CSV",
        help="columns image, lesion_id: numbers by source, intervals by lesion",
    )
    parser.add_argument("--unk-threshold", type=float, metavar="T", help="below T means UNK")
    parser.add_argument(
        "--bootstrap", type=int, default=1000, metavar="B", help="resamples (1000), 0: none"
    )
    parser.add_argument("--head", metavar="NAME", help="where files hold several, e.g. head4")
    parser.add_argument("--out", metavar="JSON", help="write all numbers, by class and source")
    parser.add_argument("--reliability", metavar="PNG", help="draw the reliability plot")
    parser.add_argument("--confusion", metavar="PNG", help="draw the confusion matrix")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Print the numbers, write files where asked."""
    from mmselfsup.apis import measure
    from mmselfsup.apis.test_command import metric_lines
    from mmselfsup.core.hooks.confusion_picture import draw_confusion
    from mmselfsup.core.hooks.metric_details import finite
    from mmselfsup.core.hooks.reliability_picture import draw_reliability
    from mmselfsup.utils.atomic import atomic_write_json
    from mmselfsup.utils.errors import UserError
    from mmselfsup.utils.metrics import confusion_matrix, nested, with_unknown, without_threshold
    from mmselfsup.utils.score_files import read_score_file

    if len(args.scores) > 2:
        raise UserError(f"give one file of scores or two, not {len(args.scores)}")
    measure.check_options(args.bootstrap, args.out, (args.reliability, args.confusion))
    files = [read_score_file(path, args.head) for path in args.scores]
    measure.check_same_images(files[0], files[-1])
    lesions = [measure.lesions_of(file, args.metadata) for file in files]
    options = (args.unk_threshold, args.bootstrap)
    found: dict[str, object] = {}
    for file, known in zip(files, lesions, strict=True):
        numbers = measure.measure(file, known, *options)
        print(f"{file.path}, {len(file.scores)} images", *metric_lines(numbers), sep="\n")
        found[file.path] = nested(finite(numbers))
    if len(files) == 2 and args.bootstrap:
        compared = measure.compare(files[0], files[1], lesions[0] or lesions[1], *options)
        print("second - first", *measure.comparison_lines(compared), sep="\n")
        found["second - first"] = compared
    if args.out:
        atomic_write_json(args.out, found)
    scores, names = with_unknown(files[-1].scores, files[-1].classes, args.unk_threshold)
    labels = measure.labels_of(files[-1])
    if args.reliability:
        sure = without_threshold(files[-1].scores, args.unk_threshold)
        measure.write_picture(args.reliability, draw_reliability(sure, labels))
    if args.confusion:
        matrix = confusion_matrix(scores, labels, scores.shape[1])
        names = names or [str(i) for i in range(len(matrix))]
        measure.write_picture(args.confusion, draw_confusion(matrix, names))


if __name__ == "__main__":
    args = parse_args()
    run_cli(lambda: main(args))
