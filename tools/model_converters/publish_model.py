"""Write a checkpoint without optimizer and random state, named by its content.

Example: python tools/model_converters/publish_model.py work_dir/latest.pth simclr.pth
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.errors import run_cli


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Make a checkpoint ready to be passed on.")
    parser.add_argument("in_file", help="checkpoint file")
    parser.add_argument("out_file", help="name to write; a hash goes before .pth")
    return parser.parse_args()


def main() -> None:
    """Publish and say under which name."""
    args = parse_args()
    from mmselfsup.core.checkpoint import publish_model

    print(publish_model(args.in_file, args.out_file))


if __name__ == "__main__":
    run_cli(main)
