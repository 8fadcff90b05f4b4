"""The fine-tuning of a classifier: from random weights, or from a pre-trained backbone.

The one that counts is trained on the whole training fold, with the learning rate chosen for its
arm, and without validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .. import configs
from ..resolved import ResolvedStudy
from ..step import CHECKPOINT
from .context import StudyContext
from .pretrain import train_argv
from .stage import Stage


def run(context: StudyContext) -> None:
    """Train the final classifier of each arm.

    Raises:
        UserError: A training failed.
    """
    stages = [final_stage(context.study, arm, lr) for arm, lr in context.lrs.items()]
    jobs = context.settings.jobs
    context.run("Final training on the whole training fold", stages, jobs)


def final_stage(study: ResolvedStudy, arm: str, lr: float) -> Stage:
    """Return the stage that fine-tunes on the whole training fold."""
    folder, lists = study.settings.run_dir(arm, "final"), {"train": study.settings.split("train")}
    return Stage(
        name=f"final {arm}, lr {lr:g}",
        folder=folder,
        argv=finetune_argv(study, arm, lr, folder, lists, ["evaluation=None"]),
        root=study.settings.root,
        outputs=(CHECKPOINT,),
        epochs=study.epochs,
        logged=True,
    )


def finetune_argv(
    study: ResolvedStudy,
    arm: str,
    lr: float,
    folder: Path,
    lists: Mapping[str, Path],
    extra: Sequence[str],
) -> tuple[str, ...]:
    """Return the command line of a fine-tuning.

    Args:
        study: The study.
        arm: The start of the classifier.
        lr: Learning rate.
        folder: Work directory.
        lists: List of images of each part of the data that is used.
        extra: Further overrides of the config.
    """
    options = [*study.finetune_options, f"optimizer.lr={lr:g}", *extra]
    weights = study.weights(arm)
    if weights is not None:
        options.append(f"load_from={configs.quoted(weights)}")
    options += data_options(study, lists)  # last: the study's data take precedence
    return train_argv(study, study.settings.finetune_config, folder, options)


def data_options(study: ResolvedStudy, lists: Mapping[str, Path]) -> list[str]:
    """Return the overrides that point the classifier's data sets to this study's files."""
    return configs.data_options(study.finetune, study.images, dict(lists), study.metadata)


def lesion_options(study: ResolvedStudy, part: str) -> list[str]:
    """Return the overrides that name each image's lesion, for intervals and sources."""
    if study.metadata is None:
        return []
    return configs.metadata_options(study.finetune, part, study.metadata)
