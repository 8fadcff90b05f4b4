"""The search: the best single task, then the best extension, as long as it gains enough.

Source: Sirotkin et al. 2021 (arXiv 2112.12086) train pretext tasks in sequence, each from the
backbone of the one before, and choose the sequence greedily.

Differences from the paper: a frozen-feature score on held-out training lesions decides, so that
a candidate costs no fine-tuning; a task may be repeated later, but not directly after itself.

Each training and each score is a stage of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mmselfsup.config.inspect import config_digest
from mmselfsup.utils.errors import UserError

from ..records import Curriculum, GreedyFacts, GreedyTask, Score, Tasks, Trial
from ..report.curriculum_section import print_curriculum
from ..resolved import ResolvedStudy
from .context import StudyContext
from .pretrain import pretrain_stage
from .probe import Probe

#: Trains and scores the sequences of a round; the empty one is the untrained network.
Scorer = Callable[[Sequence[Tasks]], Sequence[Score]]
_ROUNDING = 1e-9  # a gain of 0.51 over 0.50 is not more than 0.01


def run(context: StudyContext) -> None:
    """Choose a sequence of the study's tasks, unless their order was given.

    All pre-trainings of the sequence are done afterwards.

    Raises:
        UserError: A training or a score failed, or every task diverged.
    """
    min_gain = context.settings.min_gain
    if min_gain is None:
        return
    probe = Probe(context.study)
    probe.write_config()

    def score_tasks(candidates: Sequence[Tasks]) -> list[Score]:
        return _score_tasks(context, probe, candidates)

    trials = search(tuple(context.settings.ssl_configs), score_tasks, min_gain)
    sizes = probe.count("subtrain"), probe.count("val")
    curriculum = Curriculum(min_gain, *sizes, tuple(trials))
    print_curriculum(curriculum)
    context.choose(curriculum)


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


def _score_tasks(context: StudyContext, probe: Probe, candidates: Sequence[Tasks]) -> list[Score]:
    """Train and score sequences of one length; one that diverges is a result, not a failure."""
    study, length = context.study, len(candidates[0])
    title = f"Greedy curriculum, task {length}" if length else "Greedy curriculum"
    tasks = [study.sequence(names) if names else None for names in candidates]
    trainings = [
        None if task is None else pretrain_stage(study, task, may_diverge=True) for task in tasks
    ]
    if todo := [training for training in trainings if training]:
        # One at a time: a pre-training uses all cores or the GPU.
        context.run(f"{title}: pre-training", todo, at_a_time=1)
    pairs = list(zip(tasks, trainings, strict=True))
    finite = [task for task, training in pairs if training is None or not training.diverged]
    if finite:
        stages = [probe.stage(task) for task in finite]
        context.run(
            f"{title}: scores on validation {context.settings.data.group[1]}",
            stages,
            context.settings.jobs,
        )
    scores = []
    for task, training in pairs:
        value, error = probe.read(task) if task in finite else (None, None)
        seconds = training.record.seconds if training else 0.0
        scores.append(Score(value, error, task.epochs if task else 0, seconds))
    return scores


def greedy_facts(study: ResolvedStudy) -> GreedyFacts | None:
    """Describe the tasks that a greedy curriculum chooses from; None if the order was given."""
    settings = study.settings
    if settings.min_gain is None:
        return None
    tasks = [study.sequence((name,)) for name in settings.ssl_configs]
    return GreedyFacts(
        min_gain=settings.min_gain,
        tasks={
            task.name: GreedyTask(
                config=study.relative(task.config),
                epochs=task.epochs,
                cfg_options=tuple(task.options),
                config_sha256=config_digest(task.cfg),
            )
            for task in tasks
        },
    )
