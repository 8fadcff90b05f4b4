"""The steps of a study: each with its folder and everything its result depends on."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmselfsup.config.inspect import config_digest
from mmselfsup.isic.challenge import GROUND_TRUTH, METADATA
from mmselfsup.isic.demo.dataset import DemoSettings
from mmselfsup.utils.files import sha256

from . import data_files
from .plan import ResolvedStudy
from .positives import positives_options
from .pretraining import Pretraining
from .settings import StudySettings
from .ssl_images import ssl_images_facts
from .step import Step


def demo_data_step(settings: StudySettings) -> Step:
    """Return the step that makes the embedded data set."""
    outputs = (GROUND_TRUTH, METADATA)
    return Step("demo data", settings.isic_root, asdict(DemoSettings()), outputs)


def split_step(settings: StudySettings, num_images: int) -> Step:
    """Return the step that makes the lists of images."""
    facts = {
        "isic_root": str(settings.isic_root),
        "images": num_images,
        "folds": data_files.NUM_FOLDS,
        "seed": data_files.SPLIT_SEED,
        "options": list(settings.splits),
        "ground truth": content(data_files.ground_truth_csv(settings)),
        "metadata": content(data_files.metadata_csv(settings)),
    }
    return Step("splits", settings.splits_dir, facts, ("splits.json",))


def pretrain_step(study: ResolvedStudy, task: Pretraining) -> Step:
    """Return the step that pre-trains on the images of the study's list for it."""
    facts = {
        **_training(study, task.config, config_digest(task.cfg), list(task.options)),
        **ssl_images_facts(study.settings),
    }
    if positives_options(task.cfg, None, None):  # only then the lesions matter
        facts["lesions of positives"] = content(data_files.metadata_csv(study.settings))
    if task.after is not None:
        # The hash covers all earlier tasks: a change of one of them makes this one stale.
        facts["task before"] = _hash(pretrain_step(study, task.after).settings)
    return Step(f"{task.name} pre-training", task.folder, facts, (*_DONE, task.backbone.name))


def search_step(study: ResolvedStudy, arm: str, lr: float) -> Step:
    """Return the step that fine-tunes on the subtrain list and measures on the val list."""
    lists = {part: content(study.settings.split(part)) for part in ("subtrain", "val")}
    facts = {**_finetuning(study, arm, lr), **lists}
    folder = study.settings.run_dir(arm, f"lr_{lr:g}")
    return Step(f"fine-tuning {arm}, lr {lr:g}", folder, facts)


def final_step(study: ResolvedStudy, arm: str, lr: float) -> Step:
    """Return the step that fine-tunes on the whole training fold."""
    facts = {**_finetuning(study, arm, lr), "train images": content(study.settings.split("train"))}
    folder = study.settings.run_dir(arm, "final")
    return Step(f"final {arm}, lr {lr:g}", folder, facts, _DONE)


def test_step(study: ResolvedStudy, arm: str, lr: float) -> Step:
    """Return the step that measures the final classifier on the test fold."""
    facts = {
        "final": _hash(final_step(study, arm, lr).settings),
        "test images": content(study.settings.split("test")),
        "metadata": content(data_files.metadata_csv(study.settings)),
    }
    folder = study.settings.run_dir(arm, "test")
    return Step(f"test {arm}", folder, facts, ("scores.npz",))


_DONE = ("latest.pth",)


def _training(
    study: ResolvedStudy, config: Path, digest: str, options: list[str]
) -> dict[str, Any]:
    """Return what every training depends on."""
    return {
        "config": study.relative(config),
        "content of the config": digest,
        "options": options,
        "seed": study.settings.seed,
        "GPUS": max(study.settings.gpus, 1),  # 0 and 1 are the same training
        "folder of images": str(study.images),
    }


def _finetuning(study: ResolvedStudy, arm: str, lr: float) -> dict[str, Any]:
    """Return what a fine-tuning depends on, its pre-training included."""
    settings = study.settings
    digest = config_digest(study.finetune)
    facts = _training(study, settings.finetune_config, digest, study.finetune_options)
    start = study.pretraining(arm)
    weights = None if start is None else _hash(pretrain_step(study, start).settings)
    return {**facts, "lr": lr, "pre-training": weights}


def content(path: Path | None) -> str | None:
    """Return the hash of a file, if there is one."""
    return None if path is None else sha256(path)[:16]


def _hash(facts: Any) -> str:
    """Return the hash of settings."""
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
