"""The explanations of a study: a step for each final classifier, behind its test.

Every one and not the best alone: whether a pre-training teaches to look at the lesion is told by
the comparison with that from scratch, and it costs three passes over the test images.
"""

from __future__ import annotations

from collections.abc import Mapping

from .. import commands
from ..machine import Machine
from ..plan import Plan
from ..process import Command
from ..stage import Job, run_stage
from ..step import Step
from ..steps import test_step
from .choose import EACH
from .files import EXPLAIN, SHEET


def explain_classifiers(plan: Plan, here: Machine, chosen: Mapping[str, float]) -> list[Command]:
    """Look at what each final classifier looks at; return the commands.

    Args:
        plan: The study.
        here: The machine.
        chosen: Learning rate of the classifier by arm.

    Raises:
        UserError: An explanation failed.
    """
    jobs = [
        Job(explain_step(plan, arm, lr), explain_command(plan, arm)) for arm, lr in chosen.items()
    ]
    run_stage("What the classifiers look at", jobs, here, at_a_time=1)
    return [job.command for job in jobs]


def explain_step(plan: Plan, arm: str, lr: float) -> Step:
    """Everything an explanation depends on."""
    facts = {
        "test": dict(test_step(plan, arm, lr).settings),
        "seed": plan.settings.seed,
        "images of a kind": EACH,
    }
    folder = plan.settings.run_dir(arm, "explain")
    return Step(f"what {arm} looks at", folder, facts, (EXPLAIN, SHEET))


def explain_command(plan: Plan, arm: str) -> Command:
    """The command line of an explanation."""
    settings = plan.settings
    argv = [
        *("tools/isic2019/explain.py", plan.relative(settings.finetune_config)),
        str(settings.run_dir(arm, "final") / "latest.pth"),
        *("--seed", str(settings.seed), "--out", str(settings.run_dir(arm, "explain"))),
        *("--cfg-options", *commands.test_options(plan)),
    ]
    return Command(tuple(argv), settings.root)
