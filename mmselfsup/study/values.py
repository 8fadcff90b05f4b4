"""Values of a study's environment and command line, each read and checked alone."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from mmselfsup.utils.errors import UserError

from .starts import FROM, SCRATCH

#: What a further task must gain in balanced accuracy, if nothing is given. It must be
#: worth one more pre-training of every task, and the best of several noisy scores is biased
#: upwards.
MIN_GAIN = 0.01


def integer(env: Mapping[str, str], name: str, default: int, minimum: int = 0) -> int:
    """Read a whole number from the environment.

    Raises:
        UserError: The value is no whole number or below the minimum.
    """
    return whole(name, env.get(name) or str(default), minimum)


def integers(env: Mapping[str, str], single: str, several: str) -> tuple[int, ...]:
    """Read whole numbers: one (0 if not given), or several, such as ``FOLD`` and ``FOLDS``.

    Raises:
        UserError: Both are given, a value is no whole number, or a value is repeated.
    """
    if not env.get(several):
        return (integer(env, single, 0),)
    if env.get(single):
        raise UserError(f"{single} and {several} are both set: give one of them")
    numbers = tuple(whole(several, word, 0) for word in words(env[several]))
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
        if not re.fullmatch(r"\w[\w.-]*", name) or name.startswith(FROM):
            raise UserError(f"ALGORITHM: {name!r} is no name; separate several by blanks")
        if names.count(name) > 1:
            raise UserError(f"ALGORITHM names {name} twice: each pre-training can be used once")
    return names


def parse_lrs(text: str) -> tuple[float, ...]:
    """Read learning rates separated by blanks or commas, sorted, each once, with six digits.

    Raises:
        UserError: A value is no positive number.
    """
    try:
        # As folders and commands write them: two that differ later would share a folder.
        values = sorted({float(f"{float(word):g}") for word in words(text)})
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


def whole(name: str, text: str, minimum: int) -> int:
    """Read a whole number."""
    # isdigit alone accepts digits of other scripts and superscripts.
    if not text.isascii() or not text.isdigit() or int(text) < minimum:
        raise UserError(f"{name}: {text!r} must be a whole number of at least {minimum}")
    return int(text)


def read_min_gain(
    curriculum: str | None, min_gain: str | None, compare: bool, num_tasks: int
) -> float | None:
    """Read what a further task of a greedy curriculum must gain, balanced accuracy 0..1.

    Args:
        curriculum: Value of --curriculum.
        min_gain: Value of --min-gain.
        compare: Whether --compare was given.
        num_tasks: Number of pre-trainings.

    Returns:
        None without a greedy curriculum.

    Raises:
        UserError: A value can't be used, or the options contradict each other.
    """
    if curriculum is None:
        if min_gain is not None:
            raise UserError("--min-gain is for --curriculum greedy: give both, or neither")
        return None
    check_choice("--curriculum", curriculum, ("greedy",))
    if compare:
        raise UserError("--curriculum greedy and --compare contradict each other: leave one out")
    if num_tasks < 2:
        raise UserError(
            "--curriculum greedy chooses among several pre-trainings: name two or more, such as "
            'ALGORITHM="relative_loc simclr"'
        )
    try:
        value = MIN_GAIN if min_gain is None else float(min_gain)
    except ValueError:
        value = math.nan
    if not 0 <= value < 1:
        raise UserError(f"--min-gain {min_gain}: give a difference in balanced accuracy, 0 to 1")
    return value
