"""The options --curriculum and --min-gain."""

from __future__ import annotations

import math

from mmselfsup.utils.errors import UserError

from ..checks import check_choice

#: What a further task must gain in balanced accuracy, if nothing is given. It must be
#: worth one more pre-training of every task, and the best of several noisy scores is biased
#: upwards.
MIN_GAIN = 0.01


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
