"""The records of results.json, from the files that the steps of a study wrote."""

from __future__ import annotations

import datetime
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from mmselfsup.config.inspect import class_list, config_digest
from mmselfsup.evaluation.explanation_files import read_explanation
from mmselfsup.metrics import classification_metrics, confusion_matrix
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.json_log import read_log
from mmselfsup.version import __version__

from . import data_files
from .greedy.facts import greedy_facts
from .plan import ResolvedStudy
from .pretraining import Pretraining
from .record import RunRecord, SearchRecord, SslRecord
from .stage import DIVERGED
from .step import Step
from .steps import pretrain_step


def run_record(study: ResolvedStudy, arm: str, lr: float, step: Step) -> RunRecord:
    """Measure the final classifier of an arm from the scores that the test wrote."""
    settings = study.settings
    path = settings.run_dir(arm, "test") / "scores.npz"
    scores, labels = read_scores(path)
    num_classes = scores.shape[1]
    names = class_list(study.finetune) or [str(i) for i in range(num_classes)]
    metrics = classification_metrics(scores, labels, names, detailed=True)
    start = study.pretraining(arm)
    greedy = start is not None and settings.min_gain is not None
    explanation = read_explanation(settings.run_dir(arm, "explain"))
    return RunRecord(
        arm=arm,
        config=study.relative(settings.finetune_config),
        ssl=[] if start is None else [ssl_record(study, task) for task in start.chain],
        # Relative: a work directory may be moved.
        weights=None if start is None else os.path.relpath(start.backbone, settings.work_dir),
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
        seconds=step.seconds(),
        checkpoint=os.path.relpath(step.folder / "latest.pth", settings.work_dir),
        cfg_options=list(study.finetune_options),
        config_sha256=config_digest(study.finetune),
        chosen_from=list(settings.ssl_configs) if greedy else [],
        blackout=None if explanation is None else explanation.blackout,
    )


def search_record(study: ResolvedStudy, arm: str, lr: float, step: Step) -> SearchRecord:
    """Read the last validation of a learning rate tried.

    Raises:
        UserError: The log has no balanced accuracy.
    """
    value: float | None = read_log(step.folder).last_val("balanced_accuracy")
    if step.outcome() == DIVERGED:  # its log may end with a value from before the divergence
        value = None
    elif value is None or math.isnan(value):
        raise UserError(
            f"{step.folder} logged no balanced_accuracy; FINETUNE_CONFIG needs an `evaluation`"
        )
    return SearchRecord(arm, lr, study.epochs, value, chosen=False, seconds=step.seconds())


def read_scores(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the scores [N, C] and labels [N] that ``tools/test.py --out`` wrote."""
    with np.load(path) as data:
        return data["scores"], data["labels"]


def ssl_record(study: ResolvedStudy, task: Pretraining) -> SslRecord:
    """Describe a pre-training."""
    curve = read_log(task.folder).train_curve()
    return SslRecord(
        name=task.name,
        config=study.relative(task.config),
        epochs=task.epochs,
        images_of=study.settings.ssl_on,
        last_loss=curve[-1][1] if curve else None,
        seconds=pretrain_step(study, task).seconds(),
        cfg_options=list(task.options),
        config_sha256=config_digest(task.cfg),
    )


def study_facts(study: ResolvedStudy) -> dict[str, Any]:
    """Describe the study: the ``study`` part of results.json."""
    settings = study.settings
    return {
        "algorithms": list(settings.ssl_configs),
        "compare": settings.compare,
        "greedy": greedy_facts(study),
        "ssl_on": settings.ssl_on,
        "fold": settings.fold,
        "seed": settings.seed,
        "demo": settings.demo,
        "ssl_configs": [study.relative(path) for path in settings.ssl_configs.values()],
        "finetune_config": study.relative(settings.finetune_config),
        "data": data_files.data_facts(settings, study.images),
        "gpus": max(settings.gpus, 1),
        "lrs": list(study.lrs),
        "date": datetime.date.today().isoformat(),
        "version": __version__,
    }


def split_counts(study: ResolvedStudy) -> dict[str, dict[str, int]]:
    """Count the images of every class in the lists of the fold."""
    summary = study.settings.splits_dir / "splits.json"
    if summary.is_file():
        classes = json.loads(summary.read_text(encoding="utf-8"))["classes"]
    else:  # the user's own lists
        classes = class_list(study.finetune) or []
    # From the lists, not from splits.json: they may be the user's own.
    counts = {}
    for part in data_files.PARTS:
        lines = study.settings.split(part).read_text(encoding="utf-8").splitlines()
        labels = [int(line.rsplit(maxsplit=1)[1]) for line in lines if line.strip()]
        counts[part] = {name: labels.count(i) for i, name in enumerate(classes)}
    return counts
