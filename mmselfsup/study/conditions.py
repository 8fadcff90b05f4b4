"""What two runs must have in common to be of one recipe, or to be compared."""

from __future__ import annotations

from collections.abc import Sequence

from .record import RunRecord
from .results import Results
from .verdict import display_name


def identity(run: RunRecord, results: Results) -> str:
    """Write down everything that makes a run, but for fold, seed and the learning rate chosen."""
    ssl = [
        (s.name, s.config, s.config_sha256, s.epochs, s.images_of, s.cfg_options) for s in run.ssl
    ]
    if run.chosen_from:  # what was chosen may differ from fold to fold
        made = ("greedy", run.ssl_on, results.study.get("greedy"))
        return repr((reference(run, results), made))
    return repr((reference(run, results), run.arm, ssl))


def reference(run: RunRecord, results: Results) -> str:
    """Write down data and fine-tuning, which pre-trained runs share with those from scratch.

    What an older version has not stored counts as a value of its own.
    """
    study = results.study
    demo = bool(study.get("demo"))
    images = None if demo else study.get("data", {}).get("images")  # the demo's are always alike
    data = (demo, images, lists(results))
    training = (run.config, run.config_sha256, run.cfg_options, run.epochs, list(run.recall))
    return repr((data, training, study.get("gpus"), study.get("lrs")))


def lists(results: Results) -> str:
    """Give the hash of the lists of all folds: with the same one, test images are the same."""
    return str(results.study.get("data", {}).get("lists", ""))


def describe(runs: Sequence[tuple[RunRecord, Results]]) -> str:
    """Say on what, and with what, the runs of a recipe were trained; each with its study."""
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
        made = ", ".join(f"{name} ({t['config']}, {t['epochs']} epochs)" for name, t in tasks)
        parts.append(f"greedy, min. gain {greedy['min_gain']:g}, of {made}")
        parts += [f"fold {r.fold}, seed {r.seed} chose {display_name(r.arm)}" for r, _ in runs]
    return "; ".join(parts)
