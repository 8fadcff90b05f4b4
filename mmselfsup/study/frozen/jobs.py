"""The steps of a comparison of frozen features, with the command that does each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import configs, data_files
from ..process import Command
from ..stage import Job
from ..step import Step
from .entry import UNTRAINED, Entry
from .settings import FrozenSettings

WEIGHTS, FEATURES = "latest.pth", "features.npz"


def train_job(settings: FrozenSettings, entry: Entry) -> Job:
    """Pre-train on the training list, without its labels."""
    data = configs.data_options(entry.cfg, settings.images, {"train": settings.train})
    folder = entry.folder / "train"
    argv = (
        *("tools/train.py", _relative(settings, entry.config), "--work_dir", str(folder)),
        *("--seed", str(entry.seed), "--auto-resume", "--cfg-options", *entry.options, *data),
    )
    step = Step(f"pre-training {entry.title}", folder, _facts(settings, entry), (WEIGHTS,))
    return Job(step, Command(argv, settings.root, folder / "output.log"), entry.epochs)


def judge_job(settings: FrozenSettings, entry: Entry, judge: str) -> Job:
    """Classify the test list by frozen features: nearest neighbours, or a balanced linear probe.

    Args:
        settings: The comparison.
        entry: Whose features.
        judge: `knn`, which extracts the features, or `linear`, which comes second and takes them.
    """
    folder = entry.folder / judge
    result = folder / f"{judge}.json"
    weights = (
        ("--random", "--seed", str(entry.seed))
        if entry.name == UNTRAINED
        else ("--checkpoint", str(entry.folder / "train" / WEIGHTS))
    )
    options = [f"data.*.data_source.data_prefix={configs.quoted(settings.images)}"]
    for part, path in (("train", settings.train), ("val", settings.test)):
        options.append(f"data.{part}.data_source.ann_file={configs.quoted(path)}")
    options += [option for option in entry.options if option.startswith("model.")]
    argv = (
        *(f"tools/benchmarks/classification/test_{judge}.py", _relative(settings, entry.config)),
        *weights,
        *(("--num-knn", str(settings.num_knn)) if judge == "knn" else ()),
        *("--dataset-config", _relative(settings, settings.dataset_config)),
        *("--features", str(entry.folder / "knn" / FEATURES), "--work_dir", str(folder)),
        *("--out", str(result), "--cfg-options", *options),
    )
    facts = {
        **_facts(settings, entry),
        "test images": data_files.sha256(settings.test),
        "content of the data set's config": configs.digest(configs.load(settings.dataset_config)),
        "neighbours": settings.num_knn if judge == "knn" else None,
    }
    step = Step(f"{judge} {entry.title}", folder, facts, (result.name,))
    return Job(step, Command(argv, settings.root, folder / "output.log"))


def _facts(settings: FrozenSettings, entry: Entry) -> dict[str, Any]:
    return {
        "content of the config": configs.digest(entry.cfg),
        "options": list(entry.options),
        "seed": entry.seed,
        "folder of images": str(settings.images),
        "train images": data_files.sha256(settings.train),
    }


def _relative(settings: FrozenSettings, path: Path) -> str:
    full, root = path.absolute(), settings.root.absolute()
    return str(full.relative_to(root)) if full.is_relative_to(root) else str(full)
