"""Try the learning rates of every classifier, as steps of the study."""

from __future__ import annotations

from . import collect, commands, steps
from .machine import Machine
from .plan import Plan
from .process import Command
from .record import SearchRecord
from .search import choose_lr
from .stage import Job, run_stage


def try_lrs(plan: Plan, here: Machine, typed: list[Command]) -> list[SearchRecord]:
    """Try the learning rates for each arm; nothing to try if there is only one."""
    settings = plan.settings
    if len(plan.lrs) == 1:
        return []
    pairs = [(arm, lr) for arm in settings.arms for lr in plan.lrs]
    jobs = [
        Job(
            steps.search_step(plan, arm, lr),
            commands.search(plan, arm, lr),
            plan.epochs,
            may_diverge=True,
        )
        for arm, lr in pairs
    ]
    typed += [job.command for job in jobs]
    run_stage("Learning rates, chosen on validation lesions", jobs, here, settings.jobs)
    tried = [
        collect.search_record(plan, arm, lr, job.step)
        for (arm, lr), job in zip(pairs, jobs, strict=True)
    ]
    found = [
        run for arm in settings.arms for run in choose_lr([run for run in tried if run.arm == arm])
    ]
    for run in found:
        value = "diverged" if run.balanced_accuracy is None else f"{run.balanced_accuracy:.3f}"
        print(f"{run.arm:>12}  lr {run.lr:<8g} {value}{'  <- chosen' if run.chosen else ''}")
    return found
