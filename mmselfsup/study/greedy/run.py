"""The search of a greedy curriculum as steps: each training and each score is one."""

from __future__ import annotations

from collections.abc import Sequence

from .. import commands
from ..machine import Machine
from ..plan import ResolvedStudy
from ..process import Command
from ..stage import DIVERGED, Job, run_stage
from ..steps import pretrain_step
from .choose import search
from .probe import Probe
from .record import Curriculum, Score, Tasks
from .table import print_curriculum


def choose_curriculum(
    study: ResolvedStudy, machine: Machine, min_gain: float
) -> tuple[Curriculum, list[Command]]:
    """Choose a sequence of the study's tasks; all of its pre-trainings are done afterwards.

    Returns:
        How it was chosen, and the commands.

    Raises:
        UserError: A training or a score failed, or every task diverged.
    """
    command_list: list[Command] = []
    probe = Probe(study)
    probe.write_config()

    def score_tasks(candidates: Sequence[Tasks]) -> list[Score]:
        return _score_tasks(study, probe, machine, candidates, command_list)

    trials = search(tuple(study.settings.ssl_configs), score_tasks, min_gain)
    sizes = probe.count("subtrain"), probe.count("val")
    curriculum = Curriculum(min_gain, *sizes, tuple(trials))
    print_curriculum(curriculum)
    return curriculum, command_list


def _score_tasks(
    study: ResolvedStudy,
    probe: Probe,
    machine: Machine,
    candidates: Sequence[Tasks],
    command_list: list[Command],
) -> list[Score]:
    """Train and score sequences of one length; one that diverges is a result, not a failure."""
    length = len(candidates[0])
    title = f"Greedy curriculum, task {length}" if length else "Greedy curriculum"
    pretrainings = [study.sequence(tasks) if tasks else None for tasks in candidates]
    trainings = [
        Job(
            pretrain_step(study, task),
            commands.pretrain(study, task),
            task.epochs,
            may_diverge=True,
        )
        for task in pretrainings
        if task is not None
    ]
    if trainings:
        # One at a time: a pre-training uses all cores or the GPU.
        run_stage(f"{title}: pre-training", trainings, machine, at_a_time=1)
    finite = [
        task
        for task in pretrainings
        if task is None or pretrain_step(study, task).outcome() != DIVERGED
    ]
    probe_jobs = [probe.job(task) for task in finite]
    if probe_jobs:
        run_stage(
            f"{title}: scores on validation lesions", probe_jobs, machine, study.settings.jobs
        )
    command_list += [job.command for job in (*trainings, *probe_jobs)]
    scores = []
    for task in pretrainings:
        value, error = probe.read(task) if task in finite else (None, None)
        seconds = pretrain_step(study, task).seconds() if task else 0.0
        scores.append(Score(value, error, task.epochs if task else 0, seconds))
    return scores
