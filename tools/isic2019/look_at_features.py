"""Compare the frozen features of a network before and after its pre-training."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser, prepare_process
from mmselfsup.utils.errors import run_cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(
        description=__doc__,
        epilog="Writes points.npz (t-SNE of test images by the random network of the seed and by "
        "the checkpoint), looks.json (nearest training images of some test images) and thumbs/; "
        "report.html shows them. The features are cached in before.npz and after.npz, so that an "
        "interrupted run resumes.",
    )
    parser.add_argument("config", type=Path, help="Use the network of this pre-training config.")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        required=True,
        help="Read the pre-trained weights from this checkpoint.",
    )
    parser.add_argument(
        "--dataset-config",
        type=Path,
        required=True,
        help="Prepare the images as data.test of this classifier's config.",
    )
    parser.add_argument(
        "--images", type=Path, required=True, help="Read the images from this folder."
    )
    parser.add_argument(
        "--train", type=Path, required=True, help="Read the training images from this list."
    )
    parser.add_argument(
        "--test", type=Path, required=True, help="Read the test images from this list."
    )
    parser.add_argument(
        "--metadata", type=Path, help="Read the lesion ids, which name the source, from this file."
    )
    parser.add_argument("--seed", type=int, default=0, help="Use this seed (default: %(default)s).")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="Write to this folder."
    )
    for flag, what in (("--cfg-options", "the config"), ("--dataset-options", "--dataset-config")):
        parser.add_argument(
            flag,
            nargs="+",
            default=[],
            metavar="KEY=VALUE",
            help=f"Override {what}.",
        )
    parser.set_defaults(local_rank=None)  # one process; prepare_process needs it
    return parser.parse_args(argv)


def main() -> None:
    """Compare the features."""
    args = parse_args()
    prepare_process(args)
    from mmselfsup.apis.features.compare_features import run

    run(args)


if __name__ == "__main__":
    run_cli(main)
