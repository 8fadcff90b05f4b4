"""torchrun whose workers tell their own errors: it adds no traceback of its own to their line.

``python -m mmselfsup.utils.torchrun`` takes the arguments of ``torchrun``. A worker that ends with
an exit code of ``run_cli`` (2: an error that was told in one line, 75: stopped with a checkpoint,
130: Ctrl-C) has said why; the launcher then ends with the same code. Of other ends it says which
process had which code.
"""

import logging
import sys

from .errors import STOPPED, quiet_imports

_TOLD = (2, STOPPED, 130)


def main() -> int:
    """Run torchrun; return the exit code."""
    quiet_imports()
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    logging.getLogger("torch.distributed.run").setLevel(logging.ERROR)
    try:
        torchrun()
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        code = int(failure.exitcode)
        if code in _TOLD:
            return code
        print(f"error: process {rank} has ended with the exit code {code}", file=sys.stderr)
        return code if code > 0 else 1
    except SignalException as error:
        print(f"error: the launcher was ended by a signal ({error})", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
