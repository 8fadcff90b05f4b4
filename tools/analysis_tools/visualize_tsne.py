"""Embed features of several layers in two dimensions by t-SNE and draw them."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

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
        "--dataset_config",
        default="configs/benchmarks/classification/tsne_imagenet.py",
        help="Take data.extract from this config (default %(default)s).",
    )
    parser.add_argument(
        "--layer_ind",
        default="0,1,2,3,4",
        help="Embed these layers, 0 the stem, 1 to 4 the stages (default %(default)s).",
    )
    parser.add_argument(
        "--pool_type",
        choices=["specified", "adaptive"],
        default="specified",
        help="Pool by kernels for 224 pixels, or to equal grids for any size.",
    )
    parser.add_argument(
        "--max_num_class",
        type=int,
        default=20,
        help="Take the images of the first classes only (default 20).",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="Seed of all random numbers (default 0)."
    )
    parser.add_argument("--deterministic", action="store_true", help="Make cuDNN deterministic.")
    parser.add_argument(
        "--n_components",
        type=int,
        default=2,
        help="Dimensions of the embedding (default 2); a picture is drawn of two.",
    )
    parser.add_argument(
        "--perplexity", type=float, default=30.0, help="Number of near neighbours (default 30)."
    )
    parser.add_argument(
        "--early_exaggeration",
        type=float,
        default=12.0,
        help="Tightness of the clusters at the start (default 12).",
    )
    parser.add_argument(
        "--learning_rate",
        type=float,
        default=200.0,
        help="Learning rate (default 200).",
    )
    parser.add_argument(
        "--n_iter",
        type=int,
        default=1000,
        help="Most iterations (default 1000).",
    )
    parser.add_argument(
        "--n_iter_without_progress",
        type=int,
        default=300,
        help="Stop after this number of iterations without progress (default 300).",
    )
    parser.add_argument("--init", default="random", help="Start: random or pca (default random).")
    add_run_arguments(parser)
    return parser.parse_args(argv)


def main() -> None:
    """Embed and draw the features."""
    args = parse_args()
    prepare_process(args)
    from mmselfsup.apis.features.layer_features import run_tsne

    run_tsne(args)


if __name__ == "__main__":
    run_cli(main)
