"""Pre-train and score what the search asks for: each training and each score is a step."""

from __future__ import annotations

from collections.abc import Sequence

from .. import commands
from ..machine import Machine
from ..plan import Plan
from ..process import Command
from ..stage import DIVERGED, Job, run_stage
from ..steps import pretrain_step
from .choose import search
from .probe import Probe
from .record import Curriculum, Score, Tasks
from .table import print_curriculum


def choose_curriculum(
    plan: Plan, here: Machine, min_gain: float
) -> tuple[Curriculum, list[Command]]:
    """Choose a sequence of the study's tasks; all of its pre-trainings are done afterwards.

    Returns:
        How it was chosen, and the commands.

    Raises:
        UserError: A training or a score failed, or every task diverged.
    """
    typed: list[Command] = []
    probe = Probe(plan)
    probe.write_config()

    def judge(candidates: Sequence[Tasks]) -> list[Score]:
        return _judge(plan, probe, here, candidates, typed)

    trials = search(tuple(plan.settings.ssl_configs), judge, min_gain)
    sizes = probe.count("subtrain"), probe.count("val")
    found = Curriculum(min_gain, *sizes, tuple(trials))
    print_curriculum(found)
    return found, typed


def _judge(
    plan: Plan, probe: Probe, here: Machine, candidates: Sequence[Tasks], typed: list[Command]
) -> list[Score]:
    """Train and score sequences of one length; one that diverges is a result, not a failure."""
    length = len(candidates[0])
    title = f"Greedy curriculum, task {length}" if length else "Greedy curriculum"
    made = [plan.sequence(tasks) if tasks else None for tasks in candidates]
    trainings = [
        Job(pretrain_step(plan, task), commands.pretrain(plan, task), task.epochs, may_diverge=True)
        for task in made
        if task is not None
    ]
    if trainings:
        run_stage(f"{title}: pre-training", trainings, here, at_a_time=1)
    finite = [
        task for task in made if task is None or pretrain_step(plan, task).outcome() != DIVERGED
    ]
    scores = [probe.job(task) for task in finite]
    if scores:
        run_stage(f"{title}: scores on validation lesions", scores, here, plan.settings.jobs)
    typed += [job.command for job in (*trainings, *scores)]
    found = []
    for task in made:
        value, error = probe.read(task) if task in finite else (None, None)
        seconds = pretrain_step(plan, task).seconds() if task else 0.0
        found.append(Score(value, error, task.epochs if task else 0, seconds))
    return found
