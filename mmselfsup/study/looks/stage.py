"""The looks of a study: a step for each pre-training whose classifier is compared."""

from __future__ import annotations

from pathlib import Path

from .. import configs, data_files
from ..machine import Machine
from ..plan import Plan
from ..pretraining import Pretraining
from ..process import Command
from ..stage import Job, run_stage
from ..step import Step
from ..steps import content, pretrain_step
from .choose import MOST_POINTS
from .files import LOOK, POINTS


def look_at_features(plan: Plan, here: Machine) -> list[Command]:
    """Look at what each pre-training made of the features; return the commands.

    Raises:
        UserError: A look failed.
    """
    starts = [plan.pretraining(arm) for arm in plan.settings.arms]
    jobs = [Job(look_step(plan, s), look_command(plan, s)) for s in starts if s is not None]
    run_stage("Features before and after pre-training", jobs, here, at_a_time=1)
    return [job.command for job in jobs]


def look_dir(work_dir: Path, name: str) -> Path:
    """Folder of the look at a pre-training."""
    return work_dir / "looks" / name


def look_step(plan: Plan, task: Pretraining) -> Step:
    """Everything a look depends on."""
    settings = plan.settings
    facts = {
        "pre-training": dict(pretrain_step(plan, task).settings),
        "content of the classifier's config": configs.digest(plan.finetune),
        "seed": settings.seed,
        "most points": MOST_POINTS,
        "folder of images": str(plan.images),
        "train images": content(settings.split("train")),
        "test images": content(settings.split("test")),
        "metadata": content(data_files.metadata(settings)),
    }
    folder = look_dir(settings.work_dir, task.name)
    return Step(f"look at the features of {task.name}", folder, facts, (POINTS, LOOK))


def look_command(plan: Plan, task: Pretraining) -> Command:
    """The command line of a look."""
    settings = plan.settings
    metadata = data_files.metadata(settings)
    argv = [
        *("tools/isic2019/look_at_features.py", plan.relative(task.config)),
        *("--checkpoint", str(task.backbone), "--images", str(plan.images)),
        *("--dataset-config", plan.relative(settings.finetune_config)),
        *("--train", str(settings.split("train")), "--test", str(settings.split("test"))),
        *(() if metadata is None else ("--metadata", str(metadata))),
        *("--seed", str(settings.seed), "--out", str(look_dir(settings.work_dir, task.name))),
        *(("--cfg-options", *task.options) if task.options else ()),
        *(("--dataset-options", *plan.finetune_options) if plan.finetune_options else ()),
    ]
    return Command(tuple(argv), settings.root)
