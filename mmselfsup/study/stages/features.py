"""Feature comparisons of a study: a step for each pre-training whose classifier is compared."""

from __future__ import annotations

from mmselfsup.config.inspect import config_digest
from mmselfsup.evaluation.feature_comparison import MOST_POINTS
from mmselfsup.evaluation.feature_comparison_files import LOOK, POINTS

from ..data import metadata_csv
from ..process import Command, Machine
from ..settings import Pretraining, ResolvedStudy, look_dir
from ..step import Job, Step, content, run_stage
from .pretrain import pretrain_step


def look_at_features(study: ResolvedStudy, this_machine: Machine) -> list[Command]:
    """Compare the features before and after each pre-training; return the commands.

    Raises:
        UserError: A comparison failed.
    """
    starts = [study.pretraining(arm) for arm in study.settings.arms]
    jobs = [Job(look_step(study, s), look_command(study, s)) for s in starts if s is not None]
    run_stage("Features before and after pre-training", jobs, this_machine, at_a_time=1)
    return [job.command for job in jobs]


def look_step(study: ResolvedStudy, task: Pretraining) -> Step:
    """Return the step with everything that a feature comparison depends on."""
    settings = study.settings
    facts = {
        "pre-training": dict(pretrain_step(study, task).settings),
        "content of the classifier's config": config_digest(study.finetune),
        "seed": settings.seed,
        "most points": MOST_POINTS,
        "folder of images": str(study.images),
        "train images": content(settings.split("train")),
        "test images": content(settings.split("test")),
        "metadata": content(metadata_csv(settings)),
    }
    folder = look_dir(settings.work_dir, task.name)
    return Step(f"compare the features before and after {task.name}", folder, facts, (POINTS, LOOK))


def look_command(study: ResolvedStudy, task: Pretraining) -> Command:
    """Return the command line of a feature comparison."""
    settings = study.settings
    metadata = metadata_csv(settings)
    argv = [
        *(*settings.data.compare_command, study.relative(task.config)),
        *("--checkpoint", str(task.backbone), "--images", str(study.images)),
        *("--dataset-config", study.relative(settings.finetune_config)),
        *("--train", str(settings.split("train")), "--test", str(settings.split("test"))),
        *(() if metadata is None else ("--metadata", str(metadata))),
        *("--seed", str(settings.seed), "--out", str(look_dir(settings.work_dir, task.name))),
        *(("--cfg-options", *task.options) if task.options else ()),
        *(("--dataset-options", *study.finetune_options) if study.finetune_options else ()),
    ]
    return Command(tuple(argv), settings.root)
