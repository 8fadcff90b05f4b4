"""The score of a network: a balanced linear probe on its frozen features, as a step of the study.

It is fitted on the fold's ``subtrain`` list and scored on its ``val`` list, which are parts of the
training list; test images are not used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmselfsup.config.inspect import comparison_config
from mmselfsup.metrics.classification import standard_error
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write_text

from ..resolved import Pretraining, ResolvedStudy
from ..settings import SCRATCH
from .stage import Stage

if TYPE_CHECKING:
    from mmcv import Config


_PROBE = "linear"


class Probe:
    """The linear probe that scores the networks of a study.

    Args:
        study: The study; images go through the test pipeline of its classifier.
    """

    def __init__(self, study: ResolvedStudy) -> None:
        self._study = study
        self._settings = study.settings
        self._folder = study.settings.work_dir / "greedy"

    @cached_property
    def _data(self) -> Config:
        fit, val = self._settings.split("subtrain"), self._settings.split("val")
        return comparison_config(self._study.finetune, self._study.images, fit, val, None)

    @property
    def _data_file(self) -> Path:
        return self._folder / "probe_data.py"

    def write_config(self) -> None:
        """Write the data sets of the probe as a config, which the commands name."""
        atomic_write_text(self._data_file, self._data.pretty_text)

    def stage(self, task: Pretraining | None) -> Stage:
        """Return the stage that scores a pre-training; None: the untrained network."""
        settings, study = self._settings, self._study
        # The untrained network has no pre-training of its own: it is that of the first task.
        network_of = task or study.sequence((next(iter(settings.ssl_configs)),))
        folder = self._score_dir(task)
        weights = weights_argv(None if task is None else task.backbone, settings.seed)
        argv = (
            *probe_argv(_PROBE, study.relative(network_of.config), weights, folder),
            *("--dataset-config", str(self._data_file)),
        )
        if options := model_options(network_of.options):
            argv += ("--cfg-options", *options)
        name = f"score of {'the untrained network' if task is None else task.name}"
        return Stage(name, folder, argv, settings.root, (f"{_PROBE}.json",), logged=True)

    def read(self, task: Pretraining | None) -> tuple[float, float | None]:
        """Return the balanced accuracy that a network's stage wrote, and its standard error.

        The error is None where there are too many classes for their recalls to be written.
        """
        metrics = read_probe_result(self._score_dir(task) / f"{_PROBE}.json", "linear probe")
        recalls = [value for key, value in metrics.items() if key.startswith("recall_")]
        labels = [entry.label for entry in self._read_list("val")]
        # The JSON has recalls only; the standard error needs counts.
        matrix = []  # [C, C+1]: hits on the diagonal, all misses in one more column
        for number, recall in enumerate(recalls):
            count = labels.count(number)
            row = [0] * (len(recalls) + 1)
            row[number] = round((recall or 0.0) * count)
            row[-1] = count - row[number]
            matrix.append(row)
        return float(metrics["balanced_accuracy"]), standard_error(matrix) if matrix else None

    def count(self, part: str) -> int:
        """Count the images of a list."""
        return len(self._read_list(part))

    def _read_list(self, part: str) -> list[Any]:
        from mmselfsup.datasets.data_sources.lists import read_list  # loads torch

        return list(read_list(str(self._settings.split(part))))

    def _score_dir(self, task: Pretraining | None) -> Path:
        return self._folder / "scores" / (SCRATCH if task is None else task.name)


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
    """Return those overrides of a pre-training that change its network or how that computes."""
    keys = ("model", "amp", "fp16", "channels_last")
    return [option for option in options if re.split(r"[.=]", option, maxsplit=1)[0] in keys]


def read_precision(path: Path) -> str:
    """Return the type in which the features of a result were computed; empty: it does not say."""
    return str(json.loads(path.read_text(encoding="utf-8")).get("precision", ""))


def read_probe_result(path: Path, start: str) -> dict[str, Any]:
    """Return the metrics of the first row whose name begins with ``start``.

    Raises:
        UserError: The file can't be read, or has no such row.
    """
    try:
        results: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["results"]
        rows = [metrics for name, metrics in results.items() if name.startswith(start)]
        return dict(rows[0])
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: can't read the row {start!r} of results ({error}); delete {path.parent}"
        ) from error
