"""Errors that a user can correct, and how a command line shows them."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from .cli import quiet_imports


class UserError(ValueError):
    """An input of the user that can't be used.

    The message is one line: what is wrong, where (file, line, key), and what to do.
    """


class SharedError(UserError):
    """An error that all ranks raise together; only the first rank prints it."""


class ArgumentError(ValueError, AssertionError):
    """An argument that a class or function can't work with.

    A ``ValueError``, as PyTorch raises; an ``AssertionError`` too, because MMSelfSup 0.x asserted
    its arguments and code written for it may catch that.
    """


def one_line(error: BaseException) -> str:
    """Return the message of an error without line breaks."""
    return " ".join(str(error).split())


def run_cli(main: Callable[[], int | None]) -> NoReturn:
    """Run the ``main`` of a command line and leave the process with its exit code.

    A ``UserError`` becomes one line on stderr and exit code 2; Ctrl-C exits with 130. Any
    other error is a defect of this package and shows its traceback. ``MMSELFSUP_DEBUG=1`` shows the
    traceback of a ``UserError`` too. The notices that mmcv and torch print
    when they are imported are not shown.
    """
    quiet_imports()
    debug = os.environ.get("MMSELFSUP_DEBUG", "0") not in ("", "0")
    try:
        code = main() or 0
    except UserError as error:
        if debug:
            raise
        # All ranks may raise the same error: one line is enough.
        if os.environ.get("RANK", "0") == "0":
            print(f"error: {one_line(error)}", file=sys.stderr, flush=True)
        code = 2
    except KeyboardInterrupt:
        print("stopped by Ctrl-C", file=sys.stderr, flush=True)
        code = 130
    sys.exit(code)
