"""Conversion of errors that a user can fix, from any library, into a ``UserError``.

Errors of single ranks, which all ranks learn of, so that none waits for one that has ended.
"""

import re
import socket
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from . import dist
from .errors import ArgumentError, SharedError, UserError, one_line

# The text that a loader puts before an error of its worker, and the start of the message itself.
_FROM_WORKER = re.compile(r"Caught (User|Argument)Error in DataLoader worker")
_LAST_ERROR = re.compile(r"(?:User|Argument)Error: ")
# What gloo, NCCL and the store of a process group say about a process that is gone.
_LOST_PEER = re.compile(
    r"[Cc]onnection (?:was )?(?:closed|reset|refused)|[Bb]roken pipe|[Tt]imed out waiting"
    r"|wait timeout|remote process exited|NCCL (?:communicator was aborted|error)"
)
# What torch says where the first layer meets images with other channels than RGB or grey.
_OTHER_CHANNELS = re.compile(
    r"expected input\[\d+, [134], .*to have ([134]) channels, but got ([134])"
)

# What PyTorch says where the layers of a model don't fit each other or the images, also on the
# ``meta`` device.
_MISFITS = (
    "shapes cannot be multiplied",
    "must have same reduction dim",
    "channels, but got",
    "Invalid channel dimensions",
    "Kernel size can't be greater than actual input size",
    "Output size is too small",
    "must match the size of tensor",
    "must match the existing size",
    "Sizes of tensors must match",
    "Attempting to broadcast a dimension",
    "which does not broadcast",
    "is invalid for input of size",
    "expected input with shape",
    "Expected size for first two dimensions",
    "size mismatch",
)

# What the constructors of mmcv, torch and torchvision raise for a value that they can't use.
_CONFIG_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,  # a part whose package is not installed, such as a logger
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


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
    except _CONFIG_ERRORS as error:
        reason = _reason(error)
        raise UserError(f"{part}: {reason} (MMSELFSUP_DEBUG=1 shows where in the code)") from error


def _reason(error: BaseException) -> str:
    """Return the message of an error; of a check without a message, the check itself.

    mmcv puts the name of a class in front of what its constructor raised.
    """
    first = error
    while (before := first.__cause__ or first.__context__) is not None:
        first = before
    if isinstance(first, KeyError) and first is error:
        return f"KeyError: {first} is not known"
    if str(first):
        return one_line(error)
    frames = traceback.extract_tb(first.__traceback__)
    line = frames[-1].line if frames else ""
    shown = f" at '{line}'" if line else ""
    text = one_line(error).rstrip(": ")
    return f"{text or type(first).__name__}: a value does not fit{shown}"


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
        raise UserError(text) from error
    except ImportError as error:  # a part that asks for its package when it starts
        raise UserError(
            f"{one_line(error)}; install it, or take the part of the config out that needs it "
            "(MMSELFSUP_DEBUG=1 shows where in the code)"
        ) from error
    except Exception as error:
        channels = _OTHER_CHANNELS.search(str(error))
        if channels:
            raise UserError(
                f"the network takes images of {channels[1]} channel(s), these have {channels[2]}: "
                "read them with the color_type of its training (grayscale for one channel), and "
                "with its pipeline"
            ) from error
        if is_misfit(str(error)):
            raise UserError(
                f"{misfit(one_line(error))} (MMSELFSUP_DEBUG=1 shows where in the code)"
            ) from error
        if not _from_compiler(error):
            raise
        raise UserError(
            f"compile: torch.compile failed ({one_line(error)[:300]}); set compile=False, or on a "
            "CPU install a C++ compiler"
        ) from error


def is_misfit(text: str) -> bool:
    """Return whether the text of an error is about shapes that don't fit each other."""
    return any(words in text for words in _MISFITS)


def misfit(problem: str) -> str:
    """Return the line about layers that don't fit each other or the images.

    Args:
        problem: What PyTorch said, or which layer gets what.
    """
    return (
        f"model: the parts don't fit each other or the images: {problem.rstrip('.')}; compare the "
        "in_channels of the backbone with the channels of the images, those of neck and head with "
        "the output of the part before, and the size of the images"
    )


@contextmanager
def shared_errors() -> Iterator[None]:
    """End all ranks if a block fails on any of them, each with one line that names the rank.

    All ranks call this together. The block itself may use collectives only where an error meets
    all ranks alike.

    Raises:
        SharedError: The block failed on some rank. A single process
            raises its own error, as does a rank with a defect.
    """
    error: Exception | None = None
    try:
        yield
    except Exception as caught:
        error = caught
    texts = dist.all_gather_object(None if error is None else one_line(error))
    failed = [rank for rank, text in enumerate(texts) if text is not None]
    if error is not None and (len(texts) == 1 or not isinstance(error, UserError)):
        raise error
    if failed:
        rank = failed[0] if error is None else dist.get_rank()
        where = f"rank {rank}: " if len({*texts}) > 1 else ""
        raise SharedError(f"{where}{texts[rank]}") from error


def check_same(facts: Mapping[str, Any], advice: str, place: str = "") -> None:
    """Check that all ranks have the same facts as the first one; all ranks call this together.

    Args:
        facts: Names and values, short enough for a line.
        advice: What to do if they differ.
        place: Where this rank has them from; it may differ.

    Raises:
        SharedError: Some rank has others. A rank that differs names its own facts, the rest those
            of the first rank that does.
    """
    where = ", ".join(part for part in (socket.gethostname(), place) if part)
    ranks = dist.all_gather_object((where, dict(facts)))
    first_place, first = ranks[0]
    differ = [rank for rank, (_, other) in enumerate(ranks) if other != first]
    if not differ:
        return
    rank = dist.get_rank() if dist.get_rank() in differ else differ[0]
    own_place, own = ranks[rank]
    parts = "; ".join(
        f"{name}: {own.get(name)}, but {first.get(name)} on rank 0 ({first_place})"
        for name in {**first, **own}
        if own.get(name) != first.get(name)
    )
    raise SharedError(f"rank {rank} ({own_place}) has {parts}; {advice}")


@contextmanager
def peer_errors() -> Iterator[None]:
    """Report the loss of another rank in one line; what ended that rank is in its own line."""
    try:
        yield
    except RuntimeError as error:
        if dist.get_world_size() == 1 or not _LOST_PEER.search(str(error)):
            raise
        raise SharedError(
            f"another process has ended or doesn't answer ({one_line(error)[:200]}): the line of "
            "that process says why"
        ) from error


def _from_compiler(error: BaseException) -> bool:
    """Return whether ``torch.compile`` raised an error; its module is loaded only if it is used."""
    dynamo = sys.modules.get("torch._dynamo.exc")
    base = getattr(dynamo, "TorchDynamoException", None)
    return base is not None and isinstance(error, base)
