"""The command line of the study."""

from __future__ import annotations

import argparse

from .settings import TRAIN


def make_parser() -> argparse.ArgumentParser:
    """Say what stands on the command line; the script's --help explains it."""
    parser = argparse.ArgumentParser(prog="train_SSL_with_finetuning_ISIC2019.sh", add_help=False)
    parser.add_argument("options", nargs="*", default=[])
    parser.add_argument("--demo", action="store_true")
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--ssl-on", default=TRAIN)
    parser.add_argument("--curriculum")
    parser.add_argument("--min-gain")
    for flag in ("--cfg-options", "--ssl-options", "--finetune-options"):
        parser.add_argument(flag, nargs="+", default=[], metavar="key=value")
    return parser
