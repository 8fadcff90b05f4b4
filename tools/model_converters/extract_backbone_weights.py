"""Extract the weights of the backbone from a checkpoint.

Examples: python tools/model_converters/extract_backbone_weights.py work_dir/latest.pth backbone.pth
          python tools/model_converters/extract_backbone_weights.py latest.pth vit.pth --format timm
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser
from mmselfsup.utils.errors import run_cli


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(description="Extract the weights of the backbone from a checkpoint.")
    parser.add_argument("checkpoint", help="Read this checkpoint.")
    parser.add_argument("output", help="Write to this file.")
    parser.add_argument(
        "--prefix", help="Take the weights whose names have this prefix (default: detected)."
    )
    parser.add_argument(
        "--format",
        default="mmselfsup",
        choices=("mmselfsup", "timm", "torchvision"),
        help="Write the names of this library: timm's for ViT, Swin and ResNet, torchvision's for "
        "ResNet (default: the names of the checkpoint).",
    )
    return parser.parse_args()


def main() -> None:
    """Extract the weights and print their number and prefix."""
    args = parse_args()
    from mmselfsup.core.checkpoint import extract_backbone

    prefix, number = extract_backbone(args.checkpoint, args.output, args.prefix, args.format)
    print(f"{args.output}: {number} weights, {prefix!r} taken off their names")


if __name__ == "__main__":
    run_cli(main)
