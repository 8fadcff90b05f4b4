"""Turn what a user can mend into a :class:`UserError`, whichever library noticed it."""

from collections.abc import Iterator
from contextlib import contextmanager

from mmselfsup.utils.errors import UserError, one_line

_MARK = "UserError: "


@contextmanager
def config_errors(part: str) -> Iterator[None]:
    """Tell what is wrong with a value of the config in one line.

    For blocks that only build things from the config: there, these errors come from its values.

    Args:
        part: key of the config that is being read, the start of the line.
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
def worker_errors() -> Iterator[None]:
    """Take a worker's traceback out of the message that a loader wraps around its error."""
    try:
        yield
    except UserError as error:
        text = str(error)
        if not text.startswith("Caught UserError in DataLoader worker"):
            raise
        raise UserError(text.rpartition(_MARK)[2].strip()) from error
