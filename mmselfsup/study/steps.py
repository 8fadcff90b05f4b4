"""The steps of a study: each with its folder and everything its result depends on."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmselfsup.isic.demo.dataset import DemoSettings
from mmselfsup.isic.layout import GROUND_TRUTH, METADATA

from . import configs, data_files
from .plan import Plan
from .positives import positives_options
from .pretraining import Pretraining
from .settings import StudySettings
from .ssl_images import ssl_images_facts
from .step import Step


def demo_data_step(settings: StudySettings) -> Step:
    """Make the embedded data set."""
    outputs = (GROUND_TRUTH, METADATA)
    return Step("demo data", settings.isic_root, asdict(DemoSettings()), outputs)


def split_step(settings: StudySettings, num_images: int) -> Step:
    """Make the lists of images."""
    facts = {
        "isic_root": str(settings.isic_root),
        "images": num_images,
        "folds": data_files.NUM_FOLDS,
        "seed": data_files.SPLIT_SEED,
        "options": list(settings.splits),
        "ground truth": content(data_files.ground_truth(settings)),
        "metadata": content(data_files.metadata(settings)),
    }
    return Step("splits", settings.splits_dir, facts, ("splits.json",))


def pretrain_step(plan: Plan, task: Pretraining) -> Step:
    """Pre-train on the images of the study's list for it."""
    facts = {
        **_training(plan, task.config, configs.digest(task.cfg), list(task.options)),
        **ssl_images_facts(plan.settings),
    }
    if positives_options(task.cfg, None, None):
        facts["lesions of positives"] = content(data_files.metadata(plan.settings))
    if task.after is not None:
        facts["task before"] = _hash(pretrain_step(plan, task.after).settings)
    return Step(f"{task.name} pre-training", task.folder, facts, (*_DONE, task.backbone.name))


def search_step(plan: Plan, arm: str, lr: float) -> Step:
    """Fine-tune on the subtrain list and measure on the val list."""
    lists = {part: content(plan.settings.split(part)) for part in ("subtrain", "val")}
    facts = {**_finetuning(plan, arm, lr), **lists}
    folder = plan.settings.run_dir(arm, f"lr_{lr:g}")
    return Step(f"fine-tuning {arm}, lr {lr:g}", folder, facts)


def final_step(plan: Plan, arm: str, lr: float) -> Step:
    """Fine-tune on the whole training fold."""
    facts = {**_finetuning(plan, arm, lr), "train images": content(plan.settings.split("train"))}
    folder = plan.settings.run_dir(arm, "final")
    return Step(f"final {arm}, lr {lr:g}", folder, facts, _DONE)


def test_step(plan: Plan, arm: str, lr: float) -> Step:
    """Measure the final classifier on the test fold."""
    facts = {
        "final": _hash(final_step(plan, arm, lr).settings),
        "test images": content(plan.settings.split("test")),
        "metadata": content(data_files.metadata(plan.settings)),
    }
    folder = plan.settings.run_dir(arm, "test")
    return Step(f"test {arm}", folder, facts, ("scores.npz",))


_DONE = ("latest.pth",)


def _training(plan: Plan, config: Path, digest: str, options: list[str]) -> dict[str, Any]:
    """What every training depends on."""
    return {
        "config": plan.relative(config),
        "content of the config": digest,
        "options": options,
        "seed": plan.settings.seed,
        "GPUS": max(plan.settings.gpus, 1),
        "folder of images": str(plan.images),
    }


def _finetuning(plan: Plan, arm: str, lr: float) -> dict[str, Any]:
    """What a fine-tuning depends on; that from SSL weights depends on the pre-training, too."""
    settings = plan.settings
    digest = configs.digest(plan.finetune)
    facts = _training(plan, settings.finetune_config, digest, plan.finetune_options)
    start = plan.pretraining(arm)
    weights = None if start is None else _hash(pretrain_step(plan, start).settings)
    return {**facts, "lr": lr, "pre-training": weights}


def content(path: Path | None) -> str | None:
    """Hash a file, if there is one."""
    return None if path is None else data_files.sha256(path)[:16]


def _hash(facts: Any) -> str:
    """Hash settings."""
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
