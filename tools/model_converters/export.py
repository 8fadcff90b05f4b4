"""Export a trained classifier or backbone to ONNX, TorchScript, timm, transformers and others.

Example: python tools/model_converters/export.py work_dirs/finetune/latest.pth --to onnx
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser, add_options_argument, prepare_process
from mmselfsup.utils.errors import run_cli

# mmselfsup.export.FORMATS, without loading torch
FORMATS = ("onnx", "torchscript", "torch-export", "safetensors", "timm", "torchvision", "hf")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(
        description="Export a trained network, read the file back, and compare it with the model.",
        epilog="The file holds preprocessing and class names; the folder has a model card. A "
        "classifier gives logits, anything else the features of its backbone. If the file computes "
        "something else than the model, the exit code is 2.",
    )
    parser.add_argument("checkpoint", help="Read this checkpoint of tools/train.py.")
    parser.add_argument("--to", required=True, choices=FORMATS, help="Write this format.")
    parser.add_argument(
        "--out",
        help="Write to this folder, or to this file (then without a model card; default: a folder "
        "beside the checkpoint).",
    )
    parser.add_argument("--config", help="Use this config (default: that in the checkpoint).")
    parser.add_argument(
        "--images",
        nargs="+",
        help="Compare on these images: a folder, files, a pattern (default: those of the config).",
    )
    parser.add_argument(
        "--features", action="store_true", help="Export a classifier's backbone without its head."
    )
    parser.add_argument(
        "--licence",
        help="State this licence of the training images in the model card (default: that of the "
        "study's data, where it is known).",
    )
    add_options_argument(parser)
    parser.set_defaults(local_rank=None)
    return parser.parse_args(argv)


def main() -> None:
    """Export the network, and print the file and its check."""
    args = parse_args()
    prepare_process(args)
    from mmselfsup.apis.exporter import export_model
    from mmselfsup.config.overrides import parse_options

    done = export_model(
        args.checkpoint, args.to, args.out, args.config, args.images, args.features,
        parse_options(args.cfg_options), args.licence,
    )  # fmt: skip
    what = f"{done.description.width} {done.description.output}"
    print(f"{done.path}: {what}. {done.checked}")


if __name__ == "__main__":
    run_cli(main)
