"""The stages before any training: the synthetic demo images, and the lists of the folds."""

from __future__ import annotations

from dataclasses import asdict

from mmselfsup.isic.challenge import GROUND_TRUTH, METADATA
from mmselfsup.isic.demo.dataset import DemoSettings

from ..data import NUM_FOLDS, SPLIT_SEED, ground_truth_csv, metadata_csv
from ..process import Command
from ..settings import StudySettings
from ..step import Step, content


def demo_data_step(settings: StudySettings) -> Step:
    """Return the step that makes the embedded data set."""
    outputs = (GROUND_TRUTH, METADATA)
    return Step("demo data", settings.isic_root, asdict(DemoSettings()), outputs)


def split_step(settings: StudySettings, num_images: int) -> Step:
    """Return the step that makes the lists of images."""
    facts = {
        "isic_root": str(settings.isic_root),
        "images": num_images,
        "folds": NUM_FOLDS,
        "seed": SPLIT_SEED,
        "options": list(settings.splits),
        "ground truth": content(ground_truth_csv(settings)),
        "metadata": content(metadata_csv(settings)),
    }
    return Step("splits", settings.splits_dir, facts, ("splits.json",))


def splits_command(settings: StudySettings) -> Command:
    """Return the command that makes the lists; the user's options come last and take precedence."""
    lesions = metadata_csv(settings)
    argv = (
        *("tools/isic2019/prepare_splits.py", "--root", str(settings.isic_root)),
        *(() if lesions is None else ("--metadata", str(lesions))),
        *("--out", str(settings.splits_dir), "--folds", str(NUM_FOLDS)),
        *("--seed", str(SPLIT_SEED), *settings.splits),
    )
    return Command(argv, settings.root)
