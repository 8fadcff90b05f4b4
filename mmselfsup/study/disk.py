"""The room on the disk that the checkpoints of a study will take, estimated before it begins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmselfsup.config.inspect import max_epochs

from .keep import ALL_FILES
from .resolved import ResolvedStudy
from .settings import StudySettings
from .stages.labels import Part
from .step import CHECKPOINT, DONE, read_record

if TYPE_CHECKING:
    from mmcv import Config

GIB = 1024**3


def disk_use(study: ResolvedStudy, studies: Sequence[StudySettings]) -> tuple[int, str]:
    """Return the bytes that the checkpoints of all studies will still take, and words for it.

    What the studies have left already needs no room again. A training whose settings have changed
    since counts as there: whether they have is known when its stage begins.

    Args:
        study: The first study.
        studies: All of them; they differ in folders only.
    """
    pretrained = {task.name: training_bytes(task.cfg) for task in study.pretrainings}
    classifier = training_bytes(study.finetune)
    total = missing = most = 0
    for settings in studies:
        kept = [(settings.ssl_dir(name), size) for name, size in pretrained.items()]
        kept += [(settings.run_dir(arm, "final"), classifier) for arm in settings.arms]
        total += sum(size for _, size in kept)
        missing += sum(_missing(folder, size) for folder, size in kept)
        stay, stay_missing, for_a_while = _searches(settings, study.lrs, classifier)
        few, few_missing, few_for_a_while = _few_labels(
            ResolvedStudy(settings, study.images), study, classifier
        )
        total, missing = total + stay + few, missing + stay_missing + few_missing
        for_a_while += few_for_a_while
        most = max(most, for_a_while)  # each study removes its own at its end
    words = f"about {total / GIB:.1f} GiB of checkpoints"
    if missing < total:
        words += f" ({(total - missing) / GIB:.1f} GiB of them are there)"
    return missing + most, words + (f", and {most / GIB:.1f} GiB for a while" if most else "")


def training_bytes(cfg: Config) -> int:
    """Return the bytes of the checkpoints that a training leaves, about."""
    from mmselfsup.apis.preflight.checkpoint_size import (  # loads torch
        checkpoint_bytes,
        num_checkpoints,
    )

    of = cfg.get("checkpoint_config") or {}
    number = num_checkpoints(of.get("interval", 1), of.get("max_keep_ckpts", -1), max_epochs(cfg))
    return number * (checkpoint_bytes(cfg) or 0)


def _searches(settings: StudySettings, lrs: Sequence[float], size: int) -> tuple[int, int, int]:
    """Return the bytes of the classifiers that choose learning rates and fit temperatures.

    Returns:
        Of those that stay: all, and what is missing of them; what is missing of the others.
    """
    if len(lrs) == 1 and not settings.external:
        return 0, 0, 0
    stay = stay_missing = for_a_while = 0
    for arm in settings.arms:
        folders = [settings.run_dir(arm, f"lr_{lr:g}") for lr in lrs]
        missing = sorted(_missing(folder, size) for folder in folders)
        if settings.keep == ALL_FILES:
            stay, stay_missing = stay + size * len(lrs), stay_missing + sum(missing)
        elif settings.external:  # that of the chosen learning rate
            # A study without external sets has removed it: then it is trained again.
            gone = not any((folder / CHECKPOINT).exists() for folder in folders)
            again = size if gone else missing[-1]
            stay, stay_missing = stay + size, stay_missing + again
            for_a_while += sum(missing[:-1])
        else:
            for_a_while += sum(missing)
    return stay, stay_missing, for_a_while


def _few_labels(study: ResolvedStudy, read: ResolvedStudy, size: int) -> tuple[int, int, int]:
    """Return the bytes of the classifiers that few labels train, as ``_searches`` does.

    Args:
        study: The study, for its folders.
        read: The first study, whose configs have been read.
        size: Bytes of a classifier.
    """
    settings = study.settings
    lrs = read.lrs if len(read.lrs) > 1 else ()
    arms = [arm for arm in settings.arms if not read.saw_labels(arm)]
    parts = [Part(arm, percent) for arm in arms for percent in settings.labels]
    draws = [f"draw_{draw}" for draw in range(1, settings.draws + 1)]
    finals = [part.folder(study, name) for part in parts for name in draws]
    searched = [part.folder(study, f"lr_{lr:g}") for part in parts for lr in lrs]
    stay = [*finals, *searched] if settings.keep == ALL_FILES else finals
    missing = [sum(_missing(folder, size) for folder in of) for of in (stay, searched)]
    return size * len(stay), missing[0], 0 if settings.keep == ALL_FILES else missing[1]


def _missing(folder: Path, size: int) -> int:
    """Return how many of the bytes of a training are not there yet; 0 if it is done."""
    record = read_record(folder)
    if record is not None and record.state == DONE:
        return 0  # also where the study has removed its checkpoints
    files = (path for path in folder.glob("*.pth") if not path.is_symlink())
    return max(0, size - sum(path.stat().st_size for path in files))
