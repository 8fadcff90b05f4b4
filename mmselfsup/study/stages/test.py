"""The test of each final classifier on the test fold, and its record."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mmselfsup.config.inspect import config_digest, head_classes
from mmselfsup.metrics import classification_metrics, confusion_matrix, finite
from mmselfsup.metrics.heads import lesion_keys
from mmselfsup.metrics.sampling_error import sampling_errors

from ..records import RunRecord
from ..resolved import ResolvedStudy
from ..settings import TRAIN
from ..step import CHECKPOINT
from .context import StudyContext
from .finetune import data_options, final_stage, lesion_options
from .pretrain import ssl_record
from .stage import Stage

SCORES = "scores.npz"


def run(context: StudyContext) -> None:
    """Measure the final classifier of each arm.

    Raises:
        UserError: A test failed.
    """
    study = context.study
    unseen = study.settings.ssl_on == TRAIN and not any(map(study.start_saw_test, context.lrs))
    seen = "training" if unseen else "fine-tuning"
    title = f"Test on {study.settings.data.group[1]} that no {seen} has seen"
    stages = {arm: test_stage(study, arm) for arm in context.lrs}
    context.run(title, list(stages.values()), study.settings.jobs)
    errors = test_errors(stages)
    context.runs = [
        replace(run_record(study, arm, lr), errors=errors[arm]) for arm, lr in context.lrs.items()
    ]


def test_stage(study: ResolvedStudy, arm: str) -> Stage:
    """Return the stage that measures the final classifier of an arm on the test fold."""
    settings = study.settings
    folder = settings.run_dir(arm, "test")
    argv = test_argv(study, settings.run_dir(arm, "final") / CHECKPOINT, folder)
    return Stage(f"test {arm}", folder, argv, settings.root, (SCORES,), logged=True)


def test_argv(study: ResolvedStudy, checkpoint: Path, folder: Path) -> tuple[str, ...]:
    """Return the command line that writes the scores of a classifier on the test fold."""
    return score_argv(study, checkpoint, folder, test_options(study))


def score_argv(
    study: ResolvedStudy, checkpoint: Path, folder: Path, options: Sequence[str]
) -> tuple[str, ...]:
    """Return the command line that writes the scores of a classifier.

    Args:
        study: The study.
        checkpoint: The classifier.
        folder: Work directory.
        options: Overrides of the classifier's config, which name the images.
    """
    return (
        *("tools/test.py", study.relative(study.settings.finetune_config), str(checkpoint)),
        *("--work_dir", str(folder), "--out", str(folder / SCORES)),
        *("--cfg-options", *options),
    )


def classifier(study: ResolvedStudy, arm: str) -> tuple[str, str]:
    """Return config and checkpoint of the final classifier, as a command names them."""
    settings = study.settings
    checkpoint = settings.run_dir(arm, "final") / CHECKPOINT
    return study.relative(settings.finetune_config), str(checkpoint)


def test_options(study: ResolvedStudy) -> list[str]:
    """Return the overrides that the classifier's config needs for the test fold."""
    return part_options(study, "test")


def part_options(study: ResolvedStudy, part: str) -> list[str]:
    """Return the overrides with which the classifier's config is tested on a part of the data."""
    options = data_options(study, {"test": study.settings.split(part)})
    return [*study.measuring_options, *options, *lesion_options(study, "test")]


def run_record(study: ResolvedStudy, arm: str, lr: float) -> RunRecord:
    """Measure the final classifier of an arm from the scores that the test wrote."""
    settings = study.settings
    final = final_stage(study, arm, lr)
    scores, labels = read_scores(test_stage(study, arm).folder / SCORES)
    num_classes = scores.shape[1]
    names = head_classes(study.finetune) or [str(i) for i in range(num_classes)]
    metrics = finite(classification_metrics(scores, labels, names, detailed=True))
    start = study.pretraining(arm)
    greedy = start is not None and settings.min_gain is not None
    return RunRecord(
        arm=arm,
        config=study.relative(settings.finetune_config),
        ssl=[] if start is None else [ssl_record(study, task) for task in start.chain],
        # Relative: a work directory may be moved.
        weights=study.file_of(arm)
        if start is None
        else os.path.relpath(start.backbone, settings.work_dir),
        ssl_on=None if start is None else settings.ssl_on,
        seed=settings.seed,
        fold=settings.fold,
        lr=lr,
        epochs=study.epochs,
        n_test=len(labels),
        balanced_accuracy=metrics["balanced_accuracy"],
        accuracy=metrics["accuracy"],
        macro_auc=metrics["macro_auc"],
        recall={name: metrics[f"recall_{name}"] for name in names},
        confusion_matrix=confusion_matrix(scores, labels, num_classes).tolist(),
        seconds=final.record.seconds,
        checkpoint=os.path.relpath(final.folder / CHECKPOINT, settings.work_dir),
        cfg_options=list(study.finetune_options),
        config_sha256=config_digest(study.finetune),
        chosen_from=list(settings.ssl_configs) if greedy else [],
        made_by=final.record.made_by,
        start_labels=study.start_labels(arm),
        start_saw_test=study.start_saw_test(arm),
    )


def read_scores(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the scores [N, C] and labels [N] that ``tools/test.py --out`` wrote."""
    with np.load(path) as data:
        return data["scores"], data["labels"]


def test_errors(stages: Mapping[str, Stage]) -> dict[str, dict[str, float]]:
    """Return the ``errors`` of the record of each arm, whose tests were on the same images.

    Args:
        stages: The test of each arm.
    """
    scores = {}
    for arm, stage in stages.items():
        with np.load(stage.folder / SCORES) as data:
            lesions = data["lesions"].tolist() if "lesions" in data.files else None
            scores[arm], labels = data["scores"], data["labels"]
    return sampling_errors(scores, labels, lesion_keys(lesions)) if scores else {}
