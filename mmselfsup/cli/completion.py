"""Completion of the command in a shell, by argcomplete (extra ``completion``).

``eval "$(register-python-argcomplete mmselfsup)"`` in the shell's start file turns it on. The shell
then starts the command with ``_ARGCOMPLETE`` set, and reads the words that may follow.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from typing import Any

from mmselfsup.utils.repository import config_names

_WORDS = ("COMP_LINE", "COMP_POINT")


def complete_command(commands: Mapping[str, str]) -> str:
    """Complete the name of a command and end the process, or return it if it is there already.

    Args:
        commands: The commands, with what each does.
    """
    line = os.environ.get(_WORDS[0], "")[: int(os.environ.get(_WORDS[1], "0") or 0)]
    words = line.split(" ")
    if len(words) > 2:  # a command, and a space after it
        return words[1]
    import argcomplete

    parser = argparse.ArgumentParser(prog="mmselfsup")
    subparsers = parser.add_subparsers()
    for name, text in commands.items():
        subparsers.add_parser(name, help=text)
    argcomplete.autocomplete(parser)
    return ""


def complete_tool() -> None:
    """Let the parser of the tool that runs next complete the line, and end the process."""
    import argcomplete

    os.environ["_ARGCOMPLETE"] = "2"  # the words of the program: mmselfsup COMMAND
    parse = argparse.ArgumentParser.parse_args

    def complete(parser: argparse.ArgumentParser, *args: Any, **kwargs: Any) -> Any:
        for action in parser._actions:
            if action.dest == "config":
                action.completer = _configs  # type: ignore[attr-defined]
        argcomplete.autocomplete(parser)
        return parse(parser, *args, **kwargs)

    argparse.ArgumentParser.parse_args = complete  # type: ignore[method-assign,assignment]


def _configs(prefix: str, **_: Any) -> list[str]:
    """Return the names of configs that begin with a prefix."""
    return [name for name in config_names() if name.startswith(prefix)]
