"""Errors that a user can correct, and how a command line shows them."""

import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from .pipes import until_reader_leaves

# Numbers of a process, over all nodes and on its node, as torchrun, Slurm and Open MPI set them.
_RANK = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK")
_LOCAL_RANK = ("LOCAL_RANK", "SLURM_LOCALID", "OMPI_COMM_WORLD_LOCAL_RANK")
#: Exit code of a command that was asked to stop and can be continued: EX_TEMPFAIL of sysexits.h.
STOPPED = 75
# What every command imports first: without one of them Python is not that of the environment.
_REQUIRED = {"cv2", "mmcls", "mmcv", "numpy", "packaging", "PIL", "torch", "torchvision", "yaml"}
# Launchers end the other processes of a node soon after the first one has failed.
_GRACE_S = 2.0


class UserError(ValueError):
    """An input of the user that can't be used.

    The message is one line: what is wrong, where (file, line, key), and what to do.
    """


class NoImagesError(UserError, RuntimeError):
    """A folder without images; a ``RuntimeError`` too, because MMSelfSup 0.x raised one."""


class UnknownLabelError(UserError):
    """A label in a list or a folder that is none of the given classes."""


class UnknownColumnError(UserError):
    """Columns of a list that are not those of the given classes."""


class StorageError(UserError):
    """Storage that does not answer, or not with what it should have.

    No fault of an image: ``on_error='skip'`` does not skip it.
    """


class NoAnswerError(StorageError):
    """Storage that gave no answer, or only broken ones, however often it was asked."""


class MismatchError(UserError, AssertionError):
    """Inputs whose numbers differ; an ``AssertionError`` too, because MMSelfSup 0.x asserted it."""


class SharedError(UserError):
    """An error that all ranks raise together; the first process of each node prints it."""


class ArgumentError(ValueError, AssertionError):
    """An argument that a class or function can't work with.

    A ``ValueError``, as PyTorch raises; an ``AssertionError`` too, because MMSelfSup 0.x asserted
    its arguments and code written for it may catch that.
    """


class UnknownNameError(ArgumentError, KeyError):
    """An architecture that does not exist; a ``KeyError`` too, because mmcls raises one."""

    __str__ = ArgumentError.__str__  # a KeyError shows its message in quotes


class Stopped(SystemExit):
    """The end of a command that a signal asked to stop; the same command continues it.

    Args:
        message: A line for the user; empty if it was said already.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(STOPPED)
        self.message = message


def one_line(error: BaseException) -> str:
    """Return the message of an error without line breaks."""
    return " ".join(str(error).split())


def run_cli(main: Callable[[], int | None]) -> NoReturn:
    """Run the ``main`` of a command line and leave the process with its exit code.

    A ``UserError`` becomes one line on stderr and exit code 2, with the rank in front if it isn't
    the first. Ctrl-C exits with 130, and a run that was asked to stop and can be continued with 75.
    Any other error is a defect of this package and shows its traceback. ``MMSELFSUP_DEBUG=1`` shows
    the traceback of a ``UserError`` too. A missing requirement of this package is reported like a
    ``UserError``: most often the environment is not active. The notices that mmcv and torch print
    when they are imported are not shown. A command whose output nobody reads any more (``| head``)
    ends without a word.
    """
    quiet_imports()
    debug = os.environ.get("MMSELFSUP_DEBUG", "0") not in ("", "0")
    try:
        code = until_reader_leaves(main) or 0
    except UserError as error:
        if debug:
            raise
        _show(error)
        code = 2
    except ModuleNotFoundError as error:
        if debug or error.name not in _REQUIRED:
            raise
        _show(_no_environment(error.name))
        code = 2
    except Stopped as stop:
        if stop.message:
            rank = _number(_RANK)
            print(f"rank {rank}: {stop.message}" if rank else stop.message, file=sys.stderr)
        code = STOPPED
    except KeyboardInterrupt:
        print("stopped by Ctrl-C", file=sys.stderr, flush=True)
        code = 130
    sys.exit(code)


def quiet_imports() -> None:
    """Silence the notices that mmcv and torch print when they are imported."""
    warnings.filterwarnings("ignore", message="On January 1, 2023, MMCV will release")
    warnings.filterwarnings("ignore", message="Fail to import ``MultiScaleDeformableAttention``")
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    warnings.filterwarnings("ignore", category=FutureWarning, module="mmcv")
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)


def _no_environment(name: str) -> UserError:
    """Return the error of a Python that lacks a requirement of this package."""
    return UserError(
        f"the package {name} is not installed for {sys.executable}; activate the environment "
        "(source .venv/bin/activate) or install it, see docs/en/install.md"
    )


def _show(error: UserError) -> None:
    """Print the line of an error; of one that all ranks of a node have, print one line.

    Before the ranks have joined they read the same files, and nothing else than the launcher
    knows whether the others fail too.
    """
    _tell_torchrun(one_line(error))
    rank, local_rank = _number(_RANK), _number(_LOCAL_RANK)
    shared = isinstance(error, SharedError)
    if shared and local_rank:
        return
    if local_rank and not _has_joined():
        time.sleep(_GRACE_S)
    where = f"rank {rank}: " if rank and not shared else ""
    print(f"error: {where}{one_line(error)}", file=sys.stderr, flush=True)


def _tell_torchrun(line: str) -> None:
    """Write the line of an error where torchrun looks for it.

    torchrun ends with a report and a traceback of its own, whatever a worker prints. With this
    file the report names the cause, where it would say that none is known.
    """
    path = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if path and not os.path.exists(path):
        with suppress(OSError), open(path, "w", encoding="utf-8") as file:
            json.dump({"message": f"error: {line}", "timestamp": int(time.time())}, file)


def _number(names: tuple[str, ...]) -> int:
    """Return the first of these environment variables that is set, 0 if there is none."""
    texts = (os.environ.get(name, "") for name in names)
    return next((int(text) for text in texts if text.isdigit()), 0)


def _has_joined() -> bool:
    """Return whether this process belongs to a process group; torch is not loaded for this."""
    module = sys.modules.get("torch.distributed")
    return module is not None and module.is_available() and module.is_initialized()
