"""An error that a user can mend stays one line on its way out of a loader's worker."""

from collections.abc import Iterator
from contextlib import contextmanager

from mmselfsup.utils.errors import UserError

_MARK = "UserError: "


@contextmanager
def worker_errors_in_one_line() -> Iterator[None]:
    """Take the worker's traceback out of the message that a loader wraps around an error."""
    try:
        yield
    except UserError as error:
        text = str(error)
        if not text.startswith("Caught UserError in DataLoader worker"):
            raise
        raise UserError(text.rpartition(_MARK)[2].strip()) from error
