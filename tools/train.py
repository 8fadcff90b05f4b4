"""Train a model as a config says.

Example: python tools/train.py configs/selfsup/simclr/simclr_resnet50_8xb32-coslr-200e_in1k.py
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that a clone needs no install

from mmselfsup.utils.cli import (
    ArgumentParser,
    add_check_argument,
    add_run_arguments,
    prepare_process,
)
from mmselfsup.utils.errors import run_cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(description="Train a model as a config says.")
    parser.add_argument("config", help="Use this config.")
    parser.add_argument("--resume_from", help="Resume from this checkpoint.")
    parser.add_argument(
        "--auto-resume",
        action="store_true",
        help="Resume from the newest checkpoint of the work dir.",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="Train in a work dir that holds the checkpoints of another run, and replace them.",
    )
    parser.add_argument(
        "--force-resume",
        action="store_true",
        help="Resume although the checkpoint is of another run: other images, labels, classes or "
        "another seed.",
    )
    parser.add_argument(
        "--partial",
        action="store_true",
        help="Start from load_from although it fills only a part of the backbone, or is of a "
        "deeper network.",
    )
    add_check_argument(parser)
    parser.add_argument(
        "--check",
        action="store_true",
        help="Look at everything that is looked at before a training, show the table, and end.",
    )
    parser.add_argument(
        "--auto",
        action="store_true",
        help="Derive batch, learning rate, epochs and lengths from the number of images and the "
        "memory (auto_settings=True); keys of --cfg-options stay.",
    )
    parser.add_argument(
        "--gpus",
        type=int,
        help="Use the CPU with 0; otherwise check that this number of GPUs exists, and use one of "
        "them unless a launcher is set.",
    )
    parser.add_argument(
        "--gpu_ids",
        type=int,
        nargs="+",
        help="Use the first of these GPUs unless a launcher is set.",
    )
    parser.add_argument(
        "--seed", type=int, help="Draw all random numbers with this seed (default: a random one)."
    )
    parser.add_argument(
        "--diff-seed",
        action=argparse.BooleanOptionalAction,
        help="Use another seed on every rank; with --no-diff-seed also what the model draws during "
        "the training is the same on all ranks.",
    )
    parser.add_argument("--deterministic", action="store_true", help="Make cuDNN deterministic.")
    add_run_arguments(parser)
    return parser.parse_args(argv)


def main() -> None:
    """Train the model."""
    args = parse_args()
    prepare_process(args)
    from mmselfsup.apis.train import run_training

    run_training(args)


if __name__ == "__main__":
    run_cli(main)
