"""Explanations of a study: a step for each final classifier, after its test.

Every classifier is explained, not the best alone: only the comparison with the one from scratch
shows whether a pre-training makes a network use the lesion. It costs three passes over the test
images.
"""

from __future__ import annotations

from collections.abc import Mapping

from mmselfsup.evaluation.explanation_files import EXPLAIN, SHEET
from mmselfsup.evaluation.heat_map_cases import EACH

from ..process import Command, Machine
from ..settings import ResolvedStudy
from ..step import Job, Step, run_stage
from .finetune import measure_step, test_options


def explain_classifiers(
    study: ResolvedStudy, this_machine: Machine, chosen: Mapping[str, float]
) -> list[Command]:
    """Explain each final classifier; return the commands.

    Args:
        plan: The study.
        this_machine: The machine.
        chosen: Learning rate of the classifier by arm.

    Raises:
        UserError: An explanation failed.
    """
    jobs = [
        Job(explain_step(study, arm, lr), explain_command(study, arm)) for arm, lr in chosen.items()
    ]
    run_stage("Explanations of the classifiers", jobs, this_machine, at_a_time=1)
    return [job.command for job in jobs]


def explain_step(study: ResolvedStudy, arm: str, lr: float) -> Step:
    """Return the step with everything that an explanation depends on."""
    facts = {
        "test": dict(measure_step(study, arm, lr).settings),
        "seed": study.settings.seed,
        "images of a kind": EACH,
    }
    folder = study.settings.run_dir(arm, "explain")
    return Step(f"explain {arm}", folder, facts, (EXPLAIN, SHEET))


def explain_command(study: ResolvedStudy, arm: str) -> Command:
    """Return the command line of an explanation."""
    settings = study.settings
    argv = [
        *(*settings.data.explain_command, study.relative(settings.finetune_config)),
        str(settings.run_dir(arm, "final") / "latest.pth"),
        *("--seed", str(settings.seed), "--out", str(settings.run_dir(arm, "explain"))),
        *("--cfg-options", *test_options(study)),
    ]
    return Command(tuple(argv), settings.root)
