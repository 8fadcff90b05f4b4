"""Explain a trained classifier: Grad-CAM heat maps, and its accuracy without the lesion."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser, add_options_argument, prepare_process
from mmselfsup.utils.errors import run_cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(
        description=__doc__,
        epilog="Writes explain.json (accuracies on the images as they are, with the lesion hidden "
        "and with nothing but the lesion; the images shown), pictures/ (Grad-CAM of a few right "
        "and wrong answers) and masks.webp (24 of the masks); report.html shows them. Masks and "
        "scores are cached in .npz files, so that an interrupted run resumes.",
    )
    parser.add_argument("config", help="Explain the classifier of this config on its data.test.")
    parser.add_argument("checkpoint", help="Read the classifier's weights from this checkpoint.")
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="Draw the images shown with this seed (default: %(default)s).",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="Write to this folder."
    )
    add_options_argument(parser)
    parser.set_defaults(local_rank=None)  # one process; prepare_process needs it
    return parser.parse_args(argv)


def main() -> None:
    """Explain the classifier."""
    args = parse_args()
    prepare_process(args)
    from mmselfsup.apis.explain import run
    from mmselfsup.isic.dark_border import DARK
    from mmselfsup.isic.lesion_mask import find_lesion

    run(args, find_lesion, DARK)


if __name__ == "__main__":
    run_cli(main)
