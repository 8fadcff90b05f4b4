"""The command ``mmselfsup``: the tools of the project under one name, from any folder."""

from .main import COMMANDS, main

__all__ = ["COMMANDS", "main"]
