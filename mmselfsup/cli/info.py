"""``mmselfsup info``: which project this is, where it is, and what it runs on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import mmselfsup
from mmselfsup.utils.cli import ArgumentParser
from mmselfsup.utils.repository import config_files, repository
from mmselfsup.version import PROJECT, __version__


def print_info(arguments: Sequence[str]) -> None:
    """Print the facts; the arguments are those after ``info``."""
    parser = ArgumentParser(
        prog="mmselfsup info", description="Say which project and version this is."
    )
    parser.add_argument(
        "--short", action="store_true", help="Leave the environment out, which loads torch."
    )
    args = parser.parse_args(list(arguments))
    print(f"mmselfsup {__version__}: {PROJECT}")
    print(f"package: {Path(mmselfsup.__file__).parent}")
    print(f"configs and tools: {repository()} ({len(config_files())} configs)")
    for line in foreign_copies():
        print(f"warning: {line}")
    if not args.short:
        from mmselfsup.utils.collect_env import collect_env

        print("\n".join(f"{name}: {value}" for name, value in collect_env().items()))


def foreign_copies() -> list[str]:
    """Return a line for each installed distribution of this name that is another project.

    The package index has an ``mmselfsup`` 1.0.0 of OpenMMLab, whose modules would hide these or be
    hidden by them, by the order of ``sys.path``.
    """
    lines = []
    for found in metadata.distributions(name="mmselfsup"):
        facts = found.metadata
        if facts["Summary"] == PROJECT:
            continue
        place = os.path.dirname(str(found.locate_file("mmselfsup")))
        lines.append(
            f"{place} holds another mmselfsup, {facts['Version']} ({facts['Summary']}): "
            "pip uninstall mmselfsup, then install this one again"
        )
    return lines
