"""The stages before any training: the synthetic demo images, and the lists of the folds."""

from __future__ import annotations

from mmselfsup.utils.study_data import DemoData

from ..data import SPLIT_SEED, ground_truth_csv, metadata_csv
from ..process import Command
from ..settings import StudySettings
from ..step import Step, content


def demo_data_step(settings: StudySettings, demo: DemoData) -> Step:
    """Return the step that makes the embedded data set."""
    return Step("demo data", settings.data_root, demo.facts, demo.outputs)


def split_step(settings: StudySettings, num_images: int) -> Step:
    """Return the step that makes the lists of images."""
    facts = {
        # The key in the stamps of studies that were started before descriptions existed.
        settings.data.root_variable.lower(): str(settings.data_root),
        "images": num_images,
        "folds": settings.data.num_folds,
        "seed": SPLIT_SEED,
        "options": list(settings.splits),
        "ground truth": content(ground_truth_csv(settings)),
        "metadata": content(metadata_csv(settings)),
    }
    return Step("splits", settings.splits_dir, facts, ("splits.json",))


def splits_command(settings: StudySettings) -> Command:
    """Return the command that makes the lists; the user's options come last and take precedence."""
    data, groups = settings.data, metadata_csv(settings)
    argv = (
        *(*data.split_command, "--root", str(settings.data_root)),
        *(() if groups is None else (data.groups.option, str(groups))),
        *("--out", str(settings.splits_dir), "--folds", str(data.num_folds)),
        *("--seed", str(SPLIT_SEED), *settings.splits),
    )
    return Command(argv, settings.root)
