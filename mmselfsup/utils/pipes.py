"""Output into a pipe whose reader leaves early, as ``head`` and a pager do."""

import os
import select
import sys
from collections.abc import Callable
from contextlib import suppress

#: Exit code of a command whose output nobody reads any more: that of the signal, as shells say it.
READER_LEFT = 141  # 128 + SIGPIPE
_OUTPUTS = (1, 2)  # stdout, stderr


def until_reader_leaves(main: Callable[[], int | None]) -> int | None:
    """Return the exit code of ``main()``; where its output's reader has left, end it quietly.

    Not by the signal SIGPIPE, as other commands do: it would also end a process for a connection to
    another rank or worker that is gone, which is an error to be reported.

    Returns:
        The exit code: ``READER_LEFT`` if the reader left.
    """
    try:
        code = main()
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        if not _drop_unread():  # another pipe: to a worker, to another rank
            raise
        return READER_LEFT
    except BaseException:  # also the end of ``--help``
        with suppress(BrokenPipeError):
            sys.stdout.flush()
        _drop_unread()
        raise


def _drop_unread() -> bool:
    """Send the outputs that nobody reads to nowhere, and return whether there are any.

    Otherwise Python would report the text that is still buffered when it ends.
    """
    poll = select.poll()
    for number in _OUTPUTS:
        poll.register(number, 0)
    unread = [number for number, event in poll.poll(0) if event & (select.POLLERR | select.POLLHUP)]
    for number in unread:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)
    return bool(unread)
