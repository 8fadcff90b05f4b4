"""``mmselfsup train|test|predict|embed|study|export|info``: runs the tool of that name.

A command is a file of ``tools/``: ``mmselfsup train ...`` and ``python tools/train.py ...`` are the
same program. Nothing heavy is loaded before the tool loads it, so ``--help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from mmselfsup.utils.errors import UserError, run_cli
from mmselfsup.utils.repository import repository
from mmselfsup.version import PROJECT, __version__

from .completion import complete_command, complete_tool


@dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        tool: Its file in the repository; '' for what this package does itself.
        help: What it does.
    """

    tool: str
    help: str


#: The commands by name, in the order of a project's life.
COMMANDS: dict[str, Command] = {
    "train": Command("tools/train.py", "Pre-train or fine-tune as a config says."),
    "test": Command("tools/test.py", "Measure a trained model on the test images of a config."),
    "predict": Command("tools/predict.py", "Predict the classes of any images, as CSV."),
    "embed": Command("tools/embed.py", "Write features of any images, and a picture of them."),
    "study": Command("tools/run_study.py", "Run the study on any data, ISIC-2019 among them."),
    "export": Command(
        "tools/model_converters/export.py", "Write ONNX, TorchScript, timm, Hugging Face, ..."
    ),
    "info": Command("", "Say which project and version this is, and describe the environment."),
}


def main() -> None:
    """Run the command line; the entry point of the console script."""
    if "_ARGCOMPLETE" in os.environ:
        word = complete_command({name: command.help for name, command in COMMANDS.items()})
        if not word or not COMMANDS.get(word, Command("", "")).tool:
            return
        sys.argv[1:] = [word]  # the shell gives the line in the environment, not as arguments
    run_cli(_main)


def _main() -> None:
    """Run the command that the command line names.

    Raises:
        UserError: There is no such command.
    """
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help", "help"):
        print(_help())
        return
    if name in ("-V", "--version"):
        print(f"mmselfsup {__version__}")
        return
    command = COMMANDS.get(name)
    if command is None:
        raise UserError(f"there is no command {name!r}: choose one of {', '.join(COMMANDS)}")
    if not command.tool:
        from .info import print_info

        print_info(arguments)
        return
    path = repository() / command.tool
    if not path.is_file():
        raise UserError(f"{path} is missing: install the package again")
    sys.argv = [f"mmselfsup {name}", *arguments]
    if "_ARGCOMPLETE" in os.environ:
        complete_tool()
    _run(path)


def _run(path: Path) -> None:
    """Run a file as the program; unlike ``runpy``, this leaves its name in ``sys.argv``."""
    program, own = ModuleType("__main__"), sys.modules["__main__"]
    program.__file__ = str(path)
    sys.modules["__main__"] = program
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), program.__dict__)
    finally:
        sys.modules["__main__"] = own


def _help() -> str:
    """Return the text of ``mmselfsup --help``."""
    lines = [f"usage: mmselfsup {{{','.join(COMMANDS)}}} ...", "", f"{PROJECT}.", "", "commands:"]
    lines += [f"  {name:<9}{command.help}" for name, command in COMMANDS.items()]
    lines += ["", "mmselfsup COMMAND --help lists the options of a command. Configs are found by",
              "name from any folder: mmselfsup train simclr_resnet18_isic2019-64"]  # fmt: skip
    return "\n".join(lines)
