"""The command line of the study, and the name that follows from it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from .settings import JOIN, TRAIN


def make_parser() -> argparse.ArgumentParser:
    """Build the parser of the command line; the script's --help explains the options."""
    parser = argparse.ArgumentParser(prog="train_SSL_with_finetuning_ISIC2019.sh", add_help=False)
    # Choices are checked later, for errors in one line without the usage.
    parser.add_argument("options", nargs="*", default=[])
    parser.add_argument("--demo", action="store_true")
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--ssl-on", default=TRAIN)
    parser.add_argument("--curriculum")
    parser.add_argument("--min-gain")
    for flag in ("--cfg-options", "--ssl-options", "--finetune-options"):
        parser.add_argument(flag, nargs="+", default=[], metavar="key=value")
    return parser


def study_name(start: str, kind: str, tasks: Iterable[str], size: str | None, ssl_on: str) -> str:
    """Return the name of a study in its default folder, made of what differs between studies."""
    name = "_".join((kind, *tasks)) if kind else JOIN.join(tasks)
    name = f"{start}{name}{f'-{size}' if size else ''}"
    return name if ssl_on == TRAIN else f"{name}_ssl-on-{ssl_on}"
