"""What two runs must have in common to be in one group, or to be compared."""

from __future__ import annotations

from collections.abc import Sequence

from .record import RunRecord
from .results import Results
from .verdict import display_name


def group_key(run: RunRecord, results: Results) -> str:
    """Return a key of all settings of a run except fold, seed and the chosen learning rate."""
    ssl = [
        (s.name, s.config, s.config_sha256, s.epochs, s.images_of, s.cfg_options) for s in run.ssl
    ]
    if run.chosen_from:  # the chosen tasks may differ from fold to fold
        greedy = ("greedy", run.ssl_on, results.study.get("greedy"))
        return repr((baseline_key(run, results), greedy))
    return repr((baseline_key(run, results), run.arm, ssl))


def baseline_key(run: RunRecord, results: Results) -> str:
    """Return a key of data and fine-tuning, common to pre-trained runs and those from scratch.

    A setting that an older version did not store counts as a value of its own.
    """
    study = results.study
    demo = bool(study.get("demo"))
    images = None if demo else study.get("data", {}).get("images")  # the demo's are always the same
    data = (demo, images, lists(results))
    # GPUS changes the global batch, the learning rates tried change the choice among them.
    training = (run.config, run.config_sha256, run.cfg_options, run.epochs, list(run.recall))
    return repr((data, training, study.get("gpus"), study.get("lrs")))


def lists(results: Results) -> str:
    """Return the hash of the lists of all folds: an equal hash means equal test images."""
    return str(results.study.get("data", {}).get("lists", ""))


def describe(runs: Sequence[tuple[RunRecord, Results]]) -> str:
    """Describe data and settings of the runs of a group; each run comes with its study."""
    run, results = runs[0]
    study = results.study
    data = study.get("data")
    parts = [f"images in {data['images']}, lists {data['lists'][:8]}"] if data else []
    if run.config_sha256:
        parts.append(f"config {run.config_sha256[:8]}")
    if study.get("lrs"):
        parts.append("lr " + " or ".join(f"{lr:g}" for lr in study["lrs"]))
    if study.get("gpus"):
        parts.append(f"GPUS {study['gpus']}")
    if run.chosen_from and (greedy := study.get("greedy")):
        tasks = greedy["tasks"].items()
        choices = ", ".join(f"{name} ({t['config']}, {t['epochs']} epochs)" for name, t in tasks)
        parts.append(f"greedy, min. gain {greedy['min_gain']:g}, of {choices}")
        parts += [f"fold {r.fold}, seed {r.seed} chose {display_name(r.arm)}" for r, _ in runs]
    return "; ".join(parts)
