"""A comparison of the features before and after each pre-training whose classifier is compared."""

from __future__ import annotations

from mmselfsup.evaluation.feature_comparison_files import COMPARISON, EMBEDDING

from ..resolved import Pretraining, ResolvedStudy
from ..settings import look_dir
from .context import StudyContext
from .stage import Stage


def run(context: StudyContext) -> None:
    """Compare the features of each pre-training.

    Raises:
        UserError: A comparison failed.
    """
    study = context.study
    starts = [study.pretraining(arm) for arm in study.settings.arms]
    stages = [features_stage(study, task) for task in starts if task is not None]
    context.run("Features before and after pre-training", stages, at_a_time=1)


def features_stage(study: ResolvedStudy, task: Pretraining) -> Stage:
    """Return the stage that compares the features before and after a pre-training."""
    settings = study.settings
    folder = look_dir(settings.work_dir, task.name)
    lists = settings.split("train"), settings.split("test")
    argv = (
        *(*settings.data.compare_command, study.relative(task.config)),
        *("--checkpoint", str(task.backbone), "--images", str(study.images)),
        *("--dataset-config", study.relative(settings.finetune_config)),
        *("--train", str(lists[0]), "--test", str(lists[1])),
        *(() if study.metadata is None else ("--metadata", str(study.metadata))),
        *("--seed", str(settings.seed), "--out", str(folder)),
        *(("--cfg-options", *task.options) if task.options else ()),
        *(("--dataset-options", *study.measuring_options) if study.measuring_options else ()),
    )
    name = f"compare the features before and after {task.name}"
    return Stage(name, folder, argv, settings.root, (EMBEDDING, COMPARISON))
