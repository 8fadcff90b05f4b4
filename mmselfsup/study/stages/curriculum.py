"""The search: the best single task, then the best extension, as long as it gains enough.

Source: Sirotkin et al. 2021 (arXiv 2112.12086) train pretext tasks in sequence, each from the
backbone of the one before, and choose the sequence greedily.

Differences from the paper: a frozen-feature score on held-out training lesions decides, so that a
candidate costs no fine-tuning; a task may be repeated later, but not directly after itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mmselfsup.utils.errors import UserError

from .record import Score, Tasks, Trial

#: Trains and scores the sequences of a round; the empty one is the untrained network.
Scorer = Callable[[Sequence[Tasks]], Sequence[Score]]

_ROUNDING = 1e-9  # a gain of 0.51 over 0.50 is not more than 0.01


def search(tasks: Sequence[str], score_tasks: Scorer, min_gain: float) -> list[Trial]:
    """Extend the best sequence of tasks while the score increases.

    The best single task is always taken, so that there is something to fine-tune from. Of equal
    scores the first is chosen, in the order of ``tasks``.

    Args:
        tasks: Names of the tasks, two or more, each once.
        score_tasks: Called once a round, with the untrained network first.
        min_gain: What an extension must gain to be accepted; 0 or more.

    Returns:
        The untrained network, then every sequence tried; one is accepted in each round but the
        last.

    Raises:
        UserError: The training of every single task diverged.
    """
    (start,) = score_tasks([()])
    trials = [Trial((), start)]
    best: Tasks = ()
    floor = start.value or 0.0
    while True:
        candidates = [(*best, task) for task in tasks if best[-1:] != (task,)]
        scores = score_tasks(candidates)
        gains = [None if score.value is None else score.value - floor for score in scores]
        # -2 is below any gain: diverged candidates come last. Of equals, max takes the first.
        top = max(range(len(gains)), key=lambda i: -2.0 if (g := gains[i]) is None else g)
        gain = gains[top]
        accepted = gain is not None and (not best or gain > min_gain + _ROUNDING)
        trials += [
            Trial(sequence, score, gains[i], i == top and gain is not None, i == top and accepted)
            for i, (sequence, score) in enumerate(zip(candidates, scores, strict=True))
        ]
        if not best and gain is None:
            raise UserError(
                f"the loss of every pre-training of ALGORITHM ({', '.join(tasks)}) was not finite: "
                "there is nothing to choose from; try smaller learning rates with --ssl-options"
            )
        if not accepted:
            return trials
        best, floor = candidates[top], scores[top].value or 0.0
