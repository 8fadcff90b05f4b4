"""Checks of single values that the user gives."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmselfsup.isic.challenge import find_images
from mmselfsup.utils.errors import UserError

from .settings import SCRATCH


def integer(env: Mapping[str, str], name: str, default: int, minimum: int = 0) -> int:
    """Read a whole number from the environment.

    Raises:
        UserError: The value is no whole number or below the minimum.
    """
    return _whole(name, env.get(name) or str(default), minimum)


def integers(env: Mapping[str, str], single: str, several: str) -> tuple[int, ...]:
    """Read whole numbers: one (0 if not given), or several, such as ``FOLD`` and ``FOLDS``.

    Raises:
        UserError: Both are given, a value is no whole number, or a value is repeated.
    """
    if not env.get(several):
        return (integer(env, single, 0),)
    if env.get(single):
        raise UserError(f"{single} and {several} are both set: give one of them")
    numbers = tuple(_whole(several, word, 0) for word in words(env[several]))
    if not numbers or len(set(numbers)) < len(numbers):
        raise UserError(f"{several}={env[several]!r}: give different whole numbers, such as '0 1'")
    return numbers


def words(text: str) -> list[str]:
    """Split at blanks and commas."""
    return text.replace(",", " ").split()


def algorithm_names(text: str) -> tuple[str, ...]:
    """Read the names of pre-trainings.

    Raises:
        UserError: A name can't be that of a folder, or is repeated.
    """
    names = tuple(words(text))
    for name in names:
        if name == SCRATCH:
            raise UserError(f"ALGORITHM={SCRATCH}: training from scratch is always part of it")
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise UserError(f"ALGORITHM: {name!r} is no name; separate several by blanks")
        if names.count(name) > 1:
            raise UserError(f"ALGORITHM names {name} twice: each pre-training can be used once")
    return names


def parse_lrs(text: str) -> tuple[float, ...]:
    """Read learning rates separated by blanks or commas, sorted, each once.

    Raises:
        UserError: A value is no positive number.
    """
    try:
        values = sorted({float(word) for word in words(text)})
    except ValueError as error:
        raise UserError(
            f"FINETUNE_LRS={text!r}: {error}; give numbers such as '0.01 0.1'"
        ) from None
    if any(not 0 < value < float("inf") for value in values):  # true for nan, too
        raise UserError(f"FINETUNE_LRS={text!r}: learning rates must be positive numbers")
    return tuple(values)


def check_options(options: Sequence[str]) -> tuple[str, ...]:
    """Check that each argument has the form ``key=value``."""
    for option in options:
        if "=" not in option or option.startswith(("-", "=")):
            raise UserError(f"unknown argument {option!r}; see --help (overrides: key=value)")
    return tuple(options)


def check_choice(flag: str, value: str, choices: Sequence[str]) -> str:
    """Check that an option has one of its values.

    Raises:
        UserError: It has another one.
    """
    if value not in choices:
        raise UserError(f"{flag} {value}: give {' or '.join(choices)}")
    return value


def check_isic_root(path: str | None) -> Path:
    """Check that the folder of the data set holds images.

    Raises:
        UserError: The folder is not given, does not exist or holds no image.
    """
    advice = "get ISIC-2019 as docs/en/prepare_data.md describes, or try --demo"
    if not path:
        raise UserError(f"ISIC_ROOT is not set: {advice}")
    try:
        find_images(Path(path))
    except UserError as error:
        raise UserError(f"ISIC_ROOT={path}: {error}; {advice}") from None
    return Path(path)


def _whole(name: str, text: str, minimum: int) -> int:
    """Read a whole number."""
    # isdigit alone accepts digits of other scripts and superscripts.
    if not text.isascii() or not text.isdigit() or int(text) < minimum:
        raise UserError(f"{name}: {text!r} must be a whole number of at least {minimum}")
    return int(text)
