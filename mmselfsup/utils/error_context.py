"""Conversion of errors that a user can fix, from any library, into a ``UserError``."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from . import dist
from .errors import ArgumentError, SharedError, UserError, one_line
from .logger import get_root_logger

# The text that a loader puts before an error of its worker, and the start of the message itself.
_FROM_WORKER = re.compile(r"Caught (User|Argument)Error in DataLoader worker")
_LAST_ERROR = re.compile(r"(?:User|Argument)Error: ")


@contextmanager
def config_errors(part: str) -> Iterator[None]:
    """Report an invalid value of the config in one line.

    Use it for blocks that only build objects from the config: there, these errors come from its
    values.

    Args:
        part: The key of the config that the block reads; it begins the line.
    """
    try:
        yield
    except UserError:
        raise
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise UserError(
            f"{part}: {one_line(error)} (MMSELFSUP_DEBUG=1 shows where in the code)"
        ) from error


@contextmanager
def run_errors() -> Iterator[None]:
    """Report an error during a run to the user, once and in one line.

    A loader wraps the traceback of its worker around an error: that is removed. An error that
    other ranks may not have, such as an unreadable image, is reported by the rank that has it.
    """
    try:
        yield
    except SharedError:
        raise  # all ranks have it, the first one reports it
    except (UserError, ArgumentError) as error:
        text = str(error)
        if _FROM_WORKER.match(text):  # the message comes after the traceback of the worker
            text = _LAST_ERROR.split(text)[-1].strip()
        if not dist.is_main():
            get_root_logger().error("rank %d: %s", dist.get_rank(), text)
        raise UserError(text) from error
    except Exception as error:
        if not _from_compiler(error):
            raise
        raise UserError(
            f"compile: torch.compile failed ({one_line(error)[:300]}); set compile=False, or on a "
            "CPU install a C++ compiler"
        ) from error


def _from_compiler(error: BaseException) -> bool:
    """Return whether ``torch.compile`` raised an error; its module is loaded only if it is used."""
    dynamo = sys.modules.get("torch._dynamo.exc")
    base = getattr(dynamo, "TorchDynamoException", None)
    return base is not None and isinstance(error, base)
