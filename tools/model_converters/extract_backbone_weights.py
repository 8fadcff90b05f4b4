"""Cut the backbone out of a checkpoint.

Example: python tools/model_converters/extract_backbone_weights.py work_dir/latest.pth backbone.pth
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.errors import run_cli


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Cut the backbone out of a checkpoint.")
    parser.add_argument("checkpoint", help="checkpoint file")
    parser.add_argument("output", help="file to write")
    parser.add_argument("--prefix", help="start of the backbone's names (default: found)")
    return parser.parse_args()


def main() -> None:
    """Extract and say what was found."""
    args = parse_args()
    from mmselfsup.core.checkpoint import extract_backbone

    prefix, number = extract_backbone(args.checkpoint, args.output, args.prefix)
    print(f"{args.output}: {number} weights, {prefix!r} taken off their names")


if __name__ == "__main__":
    run_cli(main)
