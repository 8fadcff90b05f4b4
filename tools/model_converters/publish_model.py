"""Write a checkpoint without optimizer and random state, named by its content.

Example: python tools/model_converters/publish_model.py work_dir/latest.pth simclr.pth
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser
from mmselfsup.utils.errors import run_cli


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(description="Prepare a checkpoint for publication.")
    parser.add_argument("in_file", help="Read this checkpoint.")
    parser.add_argument("out_file", help="Write to this file, with a hash inserted before .pth.")
    return parser.parse_args()


def main() -> None:
    """Write the checkpoint and print its name."""
    args = parse_args()
    from mmselfsup.core.checkpoint import publish_model

    print(publish_model(args.in_file, args.out_file))


if __name__ == "__main__":
    run_cli(main)
