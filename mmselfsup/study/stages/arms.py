"""What each arm of ``--start`` starts from and what it cost: read from what the stages left."""

from __future__ import annotations

import hashlib
from pathlib import Path

from mmselfsup.config.inspect import views_per_image
from mmselfsup.utils.files import sha256

from ..arm_records import ArmRecord
from ..resolved import Pretraining, ResolvedStudy
from ..starts import DISTILLED
from .context import StudyContext
from .finetune import final_stage
from .lr_search import search_stage
from .pretrain import pretrain_stage


def run(context: StudyContext) -> None:
    """Add a record of each arm, where --start names them."""
    if context.settings.starts:
        context.arms = [arm_record(context.study, arm, lr) for arm, lr in context.lrs.items()]


def arm_record(study: ResolvedStudy, arm: str, lr: float) -> ArmRecord:
    """Describe an arm.

    Args:
        study: The study.
        arm: Its name.
        lr: The learning rate of its final training.
    """
    last = study.pretraining(arm)
    chain = () if last is None else last.chain
    weights, teacher, adapt = study.file_of(arm), None, None
    if last is not None and last.start is not None:
        distilled = last.start.name == DISTILLED
        weights, teacher = (None, last.start.weights) if distilled else (last.start.weights, None)
        # Two starts may share a pre-training, whose start is the first of them.
        adapt = last.start.adapt if last.start.adapts(last.tasks) else None
    searches = [search_stage(study, arm, tried) for tried in study.lrs if len(study.lrs) > 1]
    stages = [*(pretrain_stage(study, task) for task in chain), *searches]
    stages.append(final_stage(study, arm, lr))
    settings = study.settings
    searched = len(searches) * num_lines(settings.split("subtrain"))
    return ArmRecord(
        arm=arm,
        weights=weights,
        sha256=_hash(study.settings.root, weights or teacher),
        teacher=teacher,
        adapt=adapt,
        pretraining_passes=sum(_passes(study, task) for task in chain),
        finetuning_passes=study.epochs * (searched + num_lines(settings.split("train"))),
        seconds=sum(stage.record.seconds for stage in stages),
    )


def _passes(study: ResolvedStudy, task: Pretraining) -> int:
    """Return how many images a pre-training passes through the network, each view counted."""
    return task.epochs * num_lines(study.settings.ssl_list) * views_per_image(task.cfg)


def num_lines(path: Path) -> int:
    """Count the images of a list."""
    return sum(bool(line.strip()) for line in path.read_text(encoding="utf-8").splitlines())


def _hash(root: Path, weights: str | None) -> str:
    """Return the hash of a file of weights; of an address that of its text; empty without one."""
    if weights is None:
        return ""
    path = Path(root, weights)
    return sha256(path) if path.is_file() else hashlib.sha256(weights.encode()).hexdigest()
