"""The logger of the package: console lines that do not break progress bars, and a log file."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from tqdm import tqdm

from .dist import is_main
from .errors import UserError

NAME = "mmselfsup"
_FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"


if TYPE_CHECKING:
    _StreamHandler = logging.StreamHandler[TextIO]
else:
    _StreamHandler = logging.StreamHandler  # takes no parameter before Python 3.11


class TqdmHandler(_StreamHandler):
    """Write lines to stderr, above any progress bar that is being drawn."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)  # stores no stream, see the property

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        """Return the current stderr: programs and tests replace it."""
        return sys.stderr

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        try:
            tqdm.write(self.format(record), file=self.stream)
        except (OSError, ValueError):  # the terminal was closed
            self.handleError(record)


def get_root_logger(
    log_file: str | Path | None = None, log_level: int | str = logging.INFO
) -> logging.Logger:
    """Return the logger named ``mmselfsup``.

    Repeated calls attach the console once and each ``log_file`` once. Ranks other than the first
    write no file and show errors only.

    Args:
        log_file: File to which all lines are written as well.
        log_level: Lowest level that is shown, a name or a number of ``logging``.

    Raises:
        UserError: ``log_file`` can't be written.
    """
    logger = logging.getLogger(NAME)
    logger.propagate = False  # other libraries add handlers to the root: no line twice
    logger.setLevel(log_level if is_main() else logging.ERROR)
    if not any(isinstance(handler, TqdmHandler) for handler in logger.handlers):
        _attach(logger, TqdmHandler())
    if log_file is not None and is_main():
        path = str(Path(log_file).absolute())
        files = [h.baseFilename for h in logger.handlers if isinstance(h, logging.FileHandler)]
        if path not in files:
            _attach(logger, _open_file(path))
    _register_with_mmcv()
    return logger


@contextmanager
def file_only() -> Iterator[None]:
    """Keep lines below a warning off the terminal inside the block; the file gets them."""
    logger = logging.getLogger(NAME)
    before = [(h, h.level) for h in logger.handlers if isinstance(h, TqdmHandler)]
    for handler, level in before:
        handler.setLevel(max(level, logging.WARNING))
    try:
        yield
    finally:
        for handler, level in before:
            handler.setLevel(level)


def log_path() -> str | None:
    """Return the file of the log as seen from the current folder; None without one."""
    handlers = logging.getLogger(NAME).handlers
    files = [h.baseFilename for h in handlers if isinstance(h, logging.FileHandler)]
    if not files:
        return None
    path = Path(files[-1])
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _attach(logger: logging.Logger, handler: logging.Handler) -> None:
    """Add a handler with the format of this package."""
    handler.setFormatter(logging.Formatter(_FORMAT))
    logger.addHandler(handler)


def _open_file(path: str) -> logging.FileHandler:
    """Return a handler that appends to a file."""
    try:
        return logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise UserError(f"can't write the log {path}: {error.strerror}") from error


def close_log_files() -> None:
    """Detach and close the files, for a program that trains more than once."""
    logger = logging.getLogger(NAME)
    for handler in list(logger.handlers):
        if isinstance(handler, logging.FileHandler):
            logger.removeHandler(handler)
            handler.close()


def _register_with_mmcv() -> None:
    """Make this the logger of mmcv's messages, and prevent mmcv from adding handlers to it.

    mmcv writes to the first logger in its table, so this one is put first. It writes the values of
    initial weights to the files of that logger only.
    """
    from mmcv.utils.logging import logger_initialized  # slow to load

    others = {name: ready for name, ready in logger_initialized.items() if name != NAME}
    logger_initialized.clear()
    logger_initialized.update({NAME: True, **others})


@contextmanager
def silenced(name: str) -> Iterator[None]:
    """Suppress the messages of a library's logger."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
