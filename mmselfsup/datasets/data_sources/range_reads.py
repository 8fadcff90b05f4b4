"""Reading a range of bytes, asked for again while the storage fails in a way that may pass."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, TypeVar

from mmselfsup.utils.errors import ArgumentError, NoAnswerError, StorageError, UserError, one_line

_QUICK_S = 5.0  # for an answer without which a run can begin


class Unavailable(Exception):
    """A failure that may pass: a busy server, a broken connection, an answer that was cut off.

    Args:
        reason: What happened, in a few words.
        wait: Seconds after which the server wants to be asked again, if it says so.
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class Refused(Exception):
    """A failure that stays: no such shard, no permission, no ranges; says what to do."""


class Version(NamedTuple):
    """What tells two versions of a file of a store apart, without reading it.

    Attributes:
        size: Its bytes; None where the store does not say.
        tag: The ``ETag`` or the time of the last change, as the store writes it; '' without.
    """

    size: int | None
    tag: str


class Store(Protocol):
    """Storage of shards; forked processes and threads may share it."""

    def read(self, name: str, offset: int, size: int | None) -> bytes:
        """Return ``size`` bytes of a shard from ``offset`` on; None for all that follow.

        Raises:
            Unavailable: Try again.
            Refused: Don't.
        """

    def version(self, name: str) -> Version:
        """Return the version of a shard that is there now; it fails as ``read`` does."""


@dataclass(frozen=True)
class Retry:
    """How often and how long a store is asked.

    Args:
        tries: How often at most, 1 or more.
        wait: Seconds before the second time; doubled each time, up to ``longest``, and a random
            part less, so that workers don't come back together.
        longest: Seconds between two times at most.
        timeout: Seconds without a byte after which a connection counts as broken.
    """

    tries: int = 6
    wait: float = 0.5
    longest: float = 30.0
    timeout: float = 30.0

    def __post_init__(self) -> None:
        for key, value in vars(self).items():
            kind, words = (int, "a whole number") if key == "tries" else (int | float, "a number")
            if not isinstance(value, kind) or isinstance(value, bool):
                raise ArgumentError(f"retry.{key} must be {words}, got {value!r}")
        if self.tries < 1 or min(self.wait, self.longest) < 0 or self.timeout <= 0:
            raise UserError(f"retry={self}: tries and timeout are above 0, waits are not below 0")

    def once(self) -> Retry:
        """Return how a store is asked for what is not needed: once, for a few seconds at most."""
        return replace(self, tries=1, timeout=min(self.timeout, _QUICK_S))

    def seconds(self, failures: int, asked: float | None, luck: float) -> float:
        """Return how long to wait after so many failures; ``luck`` is from 0 to 1."""
        own = min(self.wait * 2.0 ** min(failures - 1, 1000), self.longest)
        return min(max(own * (1 - luck / 2), asked or 0.0), self.longest)


def read_range(
    store: Store,
    name: str,
    offset: int,
    size: int | None,
    retry: Retry,
    where: str,
    pause: Callable[[float], None] = time.sleep,
) -> bytes:
    """Return a range of a shard, asked for several times where the store fails.

    Args:
        store: The store.
        name: The shard.
        offset: The first byte.
        size: How many; None for all that follow.
        retry: How often.
        where: What is read, for the error, such as the url and the image.
        pause: Waits for some seconds.

    Raises:
        NoAnswerError: It failed each time.
        StorageError: It failed in a way that does not pass.
    """
    if size == 0:
        return b""
    span = "" if size is None else f", bytes {offset} to {offset + size - 1}"
    return _asked(lambda: store.read(name, offset, size), retry, where, span, pause)


def read_version(store: Store, name: str, retry: Retry, where: str) -> Version:
    """Return the version of a file of a store; see ``read_range``."""
    return _asked(lambda: store.version(name), retry, where)


def what_failed(failure: object) -> str:
    """Return the first part of a ``StorageError``, without what to do: for a warning."""
    return str(failure).partition("; ")[0]


_Answer = TypeVar("_Answer")


def _asked(
    ask: Callable[[], _Answer],
    retry: Retry,
    where: str,
    span: str = "",
    pause: Callable[[float], None] = time.sleep,
) -> _Answer:
    """Return what a store answers, asked several times where it fails; see ``read_range``."""
    luck = random.Random()  # own: the numbers of the augmentations stay as they are
    begin = time.monotonic()
    for failures in range(1, retry.tries + 1):
        try:
            return ask()
        except Refused as error:
            raise StorageError(f"{where}: {error}") from error
        except Unavailable as error:
            reason = one_line(error)
            if failures < retry.tries:
                pause(retry.seconds(failures, error.wait, luck.random()))
    times = f", {retry.tries} times in {time.monotonic() - begin:.0f} s" if retry.tries > 1 else ""
    raise NoAnswerError(
        f"{where}{span}: {reason}{times}; check "
        "the storage and the network, then start the same command again (a training resumes), or "
        "give retry=dict(tries=...) in the data source"
    )
