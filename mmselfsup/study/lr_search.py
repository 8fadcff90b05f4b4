"""The search of each classifier's learning rate, as steps of the study."""

from __future__ import annotations

from . import collect, commands, steps
from .machine import Machine
from .plan import ResolvedStudy
from .process import Command
from .record import SearchRecord
from .search import choose_lr
from .stage import Job, run_stage


def try_lrs(
    study: ResolvedStudy, machine: Machine, command_list: list[Command]
) -> list[SearchRecord]:
    """Try the learning rates for each arm, if there are several.

    Args:
        study: The study.
        machine: Where it runs.
        command_list: The commands are appended to it.

    Returns:
        The learning rates tried; empty if there is only one.
    """
    settings = study.settings
    if len(study.lrs) == 1:
        return []
    pairs = [(arm, lr) for arm in settings.arms for lr in study.lrs]
    jobs = [
        Job(
            steps.search_step(study, arm, lr),
            commands.search(study, arm, lr),
            study.epochs,
            may_diverge=True,  # then this learning rate is not chosen
        )
        for arm, lr in pairs
    ]
    command_list += [job.command for job in jobs]
    run_stage("Learning rates, chosen on validation lesions", jobs, machine, settings.jobs)
    tried = [
        collect.search_record(study, arm, lr, job.step)
        for (arm, lr), job in zip(pairs, jobs, strict=True)
    ]
    records = [
        run for arm in settings.arms for run in choose_lr([run for run in tried if run.arm == arm])
    ]
    for run in records:
        value = "diverged" if run.balanced_accuracy is None else f"{run.balanced_accuracy:.3f}"
        print(f"{run.arm:>12}  lr {run.lr:<8g} {value}{'  <- chosen' if run.chosen else ''}")
    return records
