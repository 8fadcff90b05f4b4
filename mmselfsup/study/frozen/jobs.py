"""The steps of a comparison of frozen features, with the command that does each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmselfsup.config.inspect import config_digest
from mmselfsup.utils.files import sha256

from .. import configs
from ..process import Command
from ..stage import Job
from ..step import Step
from .entry import UNTRAINED, Entry
from .settings import FrozenSettings

WEIGHTS, FEATURES = "latest.pth", "features.npz"


def train_job(settings: FrozenSettings, entry: Entry) -> Job:
    """Return the job that pre-trains on the training list, without its labels."""
    data = configs.data_options(entry.cfg, settings.images, {"train": settings.train})
    folder = entry.folder / "train"
    argv = (
        *("tools/train.py", _relative(settings, entry.config), "--work_dir", str(folder)),
        *("--seed", str(entry.seed), "--auto-resume", "--cfg-options", *entry.options, *data),
    )
    step = Step(f"pre-training {entry.title}", folder, _facts(settings, entry), (WEIGHTS,))
    return Job(step, Command(argv, settings.root, folder / "output.log"), entry.epochs)


def probe_job(settings: FrozenSettings, entry: Entry, probe: str) -> Job:
    """Return the job that classifies the test list by frozen features.

    Args:
        settings: The comparison.
        entry: The pre-training, or the untrained network.
        probe: ``knn`` (nearest neighbours), which extracts the features, or ``linear`` (balanced
            linear probe), which runs after it and reads them.
    """
    folder = entry.folder / probe
    result = folder / f"{probe}.json"
    trained = entry.name != UNTRAINED
    weights = weights_argv(entry.folder / "train" / WEIGHTS if trained else None, entry.seed)
    options = [f"data.*.data_source.data_prefix={configs.quoted(settings.images)}"]
    for part, path in (("train", settings.train), ("val", settings.test)):
        options.append(f"data.{part}.data_source.ann_file={configs.quoted(path)}")
    options += model_options(entry.options)
    argv = (
        *probe_argv(probe, _relative(settings, entry.config), weights, folder),
        *(("--num-knn", str(settings.num_knn)) if probe == "knn" else ()),
        *("--dataset-config", _relative(settings, settings.dataset_config)),
        # Both probes name the same file: the features are extracted once.
        *("--features", str(entry.folder / "knn" / FEATURES), "--cfg-options", *options),
    )
    facts = {
        **_facts(settings, entry),
        "test images": sha256(settings.test),
        "content of the data set's config": config_digest(configs.load(settings.dataset_config)),
        "neighbours": settings.num_knn if probe == "knn" else None,
    }
    step = Step(f"{probe} {entry.title}", folder, facts, (result.name,))
    return Job(step, Command(argv, settings.root, folder / "output.log"))


def probe_argv(probe: str, config: str, weights: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    """Return the start of the command of ``knn`` or ``linear``, which writes ``<probe>.json``."""
    tool = f"tools/benchmarks/classification/test_{probe}.py"
    out = str(folder / f"{probe}.json")
    return (tool, config, *weights, "--work_dir", str(folder), "--out", out)


def weights_argv(checkpoint: Path | None, seed: int) -> tuple[str, ...]:
    """Return the options that name the weights; None: random ones of a seed."""
    if checkpoint is None:
        return ("--random", "--seed", str(seed))
    return ("--checkpoint", str(checkpoint))


def model_options(options: Sequence[str]) -> list[str]:
    """Return those overrides of a pre-training that change the evaluated network."""
    return [option for option in options if option.startswith("model.")]


def _facts(settings: FrozenSettings, entry: Entry) -> dict[str, Any]:
    return {
        "content of the config": config_digest(entry.cfg),
        "options": list(entry.options),
        "seed": entry.seed,
        "folder of images": str(settings.images),
        "train images": sha256(settings.train),
    }


def _relative(settings: FrozenSettings, path: Path) -> str:
    full, root = path.absolute(), settings.root.absolute()
    return str(full.relative_to(root)) if full.is_relative_to(root) else str(full)
