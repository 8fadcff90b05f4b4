"""The choice of each arm's learning rate on validation lesions, never on the test fold.

The search of each classifier's learning rate, as steps of the study.

The steps of a study: each with its folder and everything its result depends on.

The command lines of the study, as a user could run them.

The records of results.json, from the files that the steps of a study wrote.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmselfsup.config.inspect import class_list, config_digest
from mmselfsup.evaluation.explanation_files import read_explanation
from mmselfsup.metrics import classification_metrics, confusion_matrix
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.json_log import read_log

from .. import configs
from ..data import metadata_csv
from ..process import Command, Machine
from ..records import RunRecord, SearchRecord
from ..settings import ResolvedStudy
from ..step import DIVERGED, DONE, Job, Step, content, hash_of, run_stage
from .pretrain import pretrain_step, ssl_record, train_command, training_facts


def choose_lr(tried: Sequence[SearchRecord]) -> list[SearchRecord]:
    """Mark the learning rate with the highest balanced accuracy after the last epoch.

    The last epoch counts because the final training is measured after its last epoch, too. Equal
    values: the smaller learning rate. Diverged runs are never chosen.

    Args:
        tried: The learning rates of one arm.

    Raises:
        UserError: All of them diverged.
    """
    usable = [run for run in tried if run.balanced_accuracy is not None]
    if not usable:
        values = ", ".join(f"{run.lr:g}" for run in tried)
        raise UserError(
            f"no learning rate of {values} gave a result for {tried[0].arm}: the loss was not "
            "finite; try smaller ones with FINETUNE_LRS"
        )
    # -lr: of equal values the smaller learning rate.
    best = max(usable, key=lambda run: (run.balanced_accuracy or 0.0, -run.lr))
    return [dataclasses.replace(run, chosen=run is best) for run in tried]


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
            search_step(study, arm, lr),
            search_command(study, arm, lr),
            study.epochs,
            may_diverge=True,  # then this learning rate is not chosen
        )
        for arm, lr in pairs
    ]
    command_list += [job.command for job in jobs]
    run_stage("Learning rates, chosen on validation lesions", jobs, machine, settings.jobs)
    tried = [
        search_record(study, arm, lr, job.step) for (arm, lr), job in zip(pairs, jobs, strict=True)
    ]
    records = [
        run for arm in settings.arms for run in choose_lr([run for run in tried if run.arm == arm])
    ]
    for run in records:
        value = "diverged" if run.balanced_accuracy is None else f"{run.balanced_accuracy:.3f}"
        print(f"{run.arm:>12}  lr {run.lr:<8g} {value}{'  <- chosen' if run.chosen else ''}")
    return records


def search_step(study: ResolvedStudy, arm: str, lr: float) -> Step:
    """Return the step that fine-tunes on the subtrain list and measures on the val list."""
    lists = {part: content(study.settings.split(part)) for part in ("subtrain", "val")}
    facts = {**_finetuning_facts(study, arm, lr), **lists}
    folder = study.settings.run_dir(arm, f"lr_{lr:g}")
    return Step(f"fine-tuning {arm}, lr {lr:g}", folder, facts)


def final_step(study: ResolvedStudy, arm: str, lr: float) -> Step:
    """Return the step that fine-tunes on the whole training fold."""
    facts = {
        **_finetuning_facts(study, arm, lr),
        "train images": content(study.settings.split("train")),
    }
    folder = study.settings.run_dir(arm, "final")
    return Step(f"final {arm}, lr {lr:g}", folder, facts, DONE)


def measure_step(study: ResolvedStudy, arm: str, lr: float) -> Step:
    """Return the step that measures the final classifier on the test fold."""
    facts = {
        "final": hash_of(final_step(study, arm, lr).settings),
        "test images": content(study.settings.split("test")),
        "metadata": content(metadata_csv(study.settings)),
    }
    folder = study.settings.run_dir(arm, "test")
    return Step(f"test {arm}", folder, facts, ("scores.npz",))


def _finetuning_facts(study: ResolvedStudy, arm: str, lr: float) -> dict[str, Any]:
    """Return what a fine-tuning depends on, its pre-training included."""
    settings = study.settings
    digest = config_digest(study.finetune)
    facts = training_facts(study, settings.finetune_config, digest, study.finetune_options)
    start = study.pretraining(arm)
    weights = None if start is None else hash_of(pretrain_step(study, start).settings)
    return {**facts, "lr": lr, "pre-training": weights}


def search_command(study: ResolvedStudy, arm: str, lr: float) -> Command:
    """Return the command of a fine-tuning on subtrain that is measured on val."""
    lists = {"train": study.settings.split("subtrain"), "val": study.settings.split("val")}
    return _finetune_command(study, arm, lr, f"lr_{lr:g}", lists, _lesion_options(study, "val"))


def final_command(study: ResolvedStudy, arm: str, lr: float) -> Command:
    """Return the command of a fine-tuning on the whole training fold, without validation."""
    lists = {"train": study.settings.split("train")}
    return _finetune_command(study, arm, lr, "final", lists, ["evaluation=None"])


def measure_command(study: ResolvedStudy, arm: str) -> Command:
    """Return the command that measures the final classifier of an arm on the test fold."""
    final, out = study.settings.run_dir(arm, "final"), study.settings.run_dir(arm, "test")
    argv = (
        "tools/test.py",
        study.relative(study.settings.finetune_config),
        str(final / "latest.pth"),
        "--work_dir",
        str(out),
        "--out",
        str(out / "scores.npz"),
        "--cfg-options",
        *test_options(study),
    )
    return Command(argv, study.settings.root, out / "output.log")


def test_options(study: ResolvedStudy) -> list[str]:
    """Return the overrides that the classifier's config needs for the test fold."""
    lists = {"test": study.settings.split("test")}
    return [*study.finetune_options, *_data_options(study, lists), *_lesion_options(study, "test")]


def _finetune_command(
    study: ResolvedStudy,
    arm: str,
    lr: float,
    name: str,
    lists: dict[str, Path],
    extra: Sequence[str],
) -> Command:
    options = [*study.finetune_options, f"optimizer.lr={lr:g}", *extra]
    start = study.pretraining(arm)
    if start is not None:
        options.append(f"load_from={configs.quoted(start.backbone)}")
    options += _data_options(study, lists)  # last: the study's data take precedence
    work_dir = study.settings.run_dir(arm, name)
    return train_command(study, study.settings.finetune_config, work_dir, options)


def _data_options(study: ResolvedStudy, lists: dict[str, Path]) -> list[str]:
    """Return the overrides that point the classifier's data sets to this study's files."""
    metadata = metadata_csv(study.settings)
    return configs.data_options(study.finetune, study.images, lists, metadata)


def _lesion_options(study: ResolvedStudy, part: str) -> list[str]:
    """Return the overrides that name each image's lesion, for intervals and sources."""
    path = metadata_csv(study.settings)
    return [] if path is None else configs.metadata_options(study.finetune, part, path)


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
