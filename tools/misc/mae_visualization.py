"""Show how a masked method (MAE, SimMIM, CAE) reconstructs an image.

Example: python tools/misc/mae_visualization.py lesion.jpg
    configs/selfsup/mae/mae_vit-base-p16_8xb512-coslr-400e_in1k.py mae.pth out.png --device cpu
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser
from mmselfsup.utils.errors import run_cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(
        description="Show an image, its visible part, the reconstruction, and the visible part "
        "with the reconstruction around it."
    )
    parser.add_argument("img_path", help="Reconstruct this image.")
    parser.add_argument("config", help="Use this config of the pre-training.")
    parser.add_argument("checkpoint", help="Take the weights from this file.")
    parser.add_argument("out_file", help="Write this picture.")
    parser.add_argument("--device", default="cuda:0", help="Compute on this device (%(default)s).")
    parser.add_argument("--seed", type=int, default=0, help="Seed of the mask (%(default)s).")
    return parser.parse_args(argv)


def main() -> None:
    """Write the picture."""
    args = parse_args()
    from mmselfsup.apis.inference.reconstruction import write_reconstruction  # loads torch

    write_reconstruction(
        args.img_path, args.config, args.checkpoint, args.out_file, args.device, args.seed
    )
    print(f"Picture: {args.out_file}")


if __name__ == "__main__":
    run_cli(main)
