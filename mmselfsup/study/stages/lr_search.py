"""The choice of each arm's learning rate on validation lesions, never on the test fold."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.json_log import read_log
from mmselfsup.utils.plurals import counted

from ..records import SearchRecord
from ..report.tables import display_name, mark_labels
from ..resolved import ResolvedStudy
from ..step import CHECKPOINT
from .context import StudyContext
from .finetune import finetune_argv, lesion_options
from .stage import Stage

#: What acts on evaluations, which the final training on the whole fold has none of.
_PLATEAU_HOOK, _PLATEAU_POLICY = "EarlyStoppingHook", "ReduceLROnPlateau"


def check_evaluation(study: ResolvedStudy) -> None:
    """Find, before hours of training, a classifier that can't be searched for or trained finally.

    Raises:
        UserError: Its training depends on evaluations, or it is not evaluated after the last epoch.
    """
    cfg = study.finetune
    hooks = [hook.get("type") for hook in cfg.get("custom_hooks") or ()]
    policy = (cfg.get("lr_config") or {}).get("policy")
    for name in [name for name in (*hooks, policy) if name in (_PLATEAU_HOOK, _PLATEAU_POLICY)]:
        raise UserError(
            f"FINETUNE_CONFIG has {name}, which needs evaluations, and the final training on the "
            "whole fold has no images left for them: take it out; every arm is trained for the "
            f"same {counted(study.epochs, 'epoch')} and measured after the last"
        )
    if len(study.lrs) > 1 and not _is_evaluated(cfg.get("evaluation") or {}, study.epochs):
        raise UserError(
            f"FINETUNE_CONFIG is not evaluated after its last epoch, {study.epochs}, which decides "
            "between learning rates: its `evaluation` needs an interval that divides the number "
            "of epochs, and no other start"
        )


def _is_evaluated(evaluation: Mapping[str, Any], epoch: int) -> bool:
    """Return whether an evaluation takes place after an epoch, counted from 1."""
    interval, start = evaluation.get("interval", 1), evaluation.get("start")
    if not evaluation or interval < 1 or epoch < (start or 0):
        return False
    if not evaluation.get("by_epoch", True):  # in iterations; the last one may be among them
        return True
    return bool((epoch - (start or 0)) % interval == 0)


def run(context: StudyContext) -> None:
    """Try the learning rates for each arm, and choose one; of a single one nothing is tried.

    Raises:
        UserError: A training failed, or all learning rates of an arm diverged.
    """
    study, arms = context.study, context.settings.arms
    if len(study.lrs) == 1:
        context.lrs = dict.fromkeys(arms, study.lrs[0])
        return
    pairs = [(arm, lr) for arm in arms for lr in study.lrs]
    stages = [search_stage(study, arm, lr) for arm, lr in pairs]
    title = f"Learning rates, chosen on validation {context.settings.data.group[1]}"
    context.run(title, stages, context.settings.jobs)
    tried = [
        search_record(study, arm, lr, stage) for (arm, lr), stage in zip(pairs, stages, strict=True)
    ]
    context.tried = [
        run for arm in arms for run in choose_lr([run for run in tried if run.arm == arm])
    ]
    context.lrs = {run.arm: run.lr for run in context.tried if run.chosen}
    for run in context.tried:
        value = "diverged" if run.balanced_accuracy is None else f"{run.balanced_accuracy:.3f}"
        chosen = "  <- chosen" if run.chosen else ""
        name = mark_labels(run.arm, study.saw_labels(run.arm))
        print(f"{name:>12}  lr {run.lr:<8g} {value}{chosen}")


def search_stage(study: ResolvedStudy, arm: str, lr: float) -> Stage:
    """Return the stage that fine-tunes on the subtrain list and measures on the val list."""
    settings = study.settings
    folder = settings.run_dir(arm, f"lr_{lr:g}")
    lists = {"train": settings.split("subtrain"), "val": settings.split("val")}
    return Stage(
        name=f"fine-tuning {arm}, lr {lr:g}",
        folder=folder,
        argv=finetune_argv(study, arm, lr, folder, lists, lesion_options(study, "val")),
        root=settings.root,
        epochs=study.epochs,
        may_diverge=True,  # then this learning rate is not chosen
        logged=True,
        leaves=(CHECKPOINT,),  # for the temperature, until the study is tidied
    )


def search_record(
    study: ResolvedStudy, arm: str, lr: float, stage: Stage, epochs: int | None = None
) -> SearchRecord:
    """Read the last validation of a learning rate tried, after ``epochs`` (None: the config's).

    Raises:
        UserError: The log has no balanced accuracy.
    """
    epochs = study.epochs if epochs is None else epochs
    log = read_log(stage.folder)
    value: float | None = log.last_val("balanced_accuracy", epochs)
    if stage.diverged:  # its log may end with a value from before the divergence
        value = None
    elif value is None or math.isnan(value):
        raise UserError(
            f"{stage.folder} logged no balanced_accuracy after epoch {epochs}, the last; "
            "FINETUNE_CONFIG needs an `evaluation` whose interval divides the number of epochs"
        )
    return SearchRecord(arm, lr, epochs, value, chosen=False, seconds=stage.record.seconds)


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
            f"{display_name(tried[0].arm)}: no learning rate of {values} gave a result: the "
            "loss was not finite; try smaller ones with FINETUNE_LRS"
        )
    # -lr: of equal values the smaller learning rate.
    best = max(usable, key=lambda run: (run.balanced_accuracy or 0.0, -run.lr))
    return [dataclasses.replace(run, chosen=run is best) for run in tried]
