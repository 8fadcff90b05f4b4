"""Extract features of several layers for linear SVMs, such as those of VOC 2007."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[4]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser, add_run_arguments, prepare_process
from mmselfsup.utils.errors import run_cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("config", help="Use the model of this config.")
    parser.add_argument(
        "--checkpoint",
        help="Read the weights from this file (default: those that the config initialises).",
    )
    parser.add_argument(
        "--dataset-config",
        "--dataset_config",
        dest="dataset_config",
        default="configs/benchmarks/classification/svm_voc07.py",
        help="Take data.extract from this config (default %(default)s).",
    )
    parser.add_argument(
        "--layer-ind",
        "--layer_ind",
        dest="layer_ind",
        default="0,1,2,3,4",
        help="Extract these layers, 0 the stem, 1 to 4 the stages (default %(default)s).",
    )
    add_run_arguments(parser)
    return parser.parse_args(argv)


def main() -> None:
    """Extract the features."""
    args = parse_args()
    prepare_process(args)
    from mmselfsup.apis.features.layer_features import run_extract

    run_extract(args)


if __name__ == "__main__":
    run_cli(main)
