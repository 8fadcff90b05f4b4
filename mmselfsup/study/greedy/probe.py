"""The score of a network: a balanced linear probe on its frozen features, as a step of the study.

It is fitted on the fold's `subtrain` list and scored on its `val` list, which are parts of the
training list; no test image has a say.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmselfsup.utils.atomic import atomic_write_text

from .. import configs
from ..frozen.jobs import judge_argv, model_options, weights_argv
from ..frozen.record import judged
from ..looks.data import looks_config
from ..plan import Plan
from ..pretraining import Pretraining
from ..process import Command
from ..settings import SCRATCH
from ..stage import Job
from ..step import Step
from ..steps import content, pretrain_step
from ..verdict import standard_error

if TYPE_CHECKING:
    from mmcv import Config

_JUDGE = "linear"


class Probe:
    """Scores the networks of a study.

    Args:
        plan: The study; images go through the test pipeline of its classifier.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._settings = plan.settings
        self._folder = plan.settings.work_dir / "greedy"

    @cached_property
    def _data(self) -> Config:
        fit, val = self._settings.split("subtrain"), self._settings.split("val")
        return looks_config(self._plan.finetune, self._plan.images, fit, val, None)

    @property
    def _data_file(self) -> Path:
        return self._folder / "probe_data.py"

    def write_config(self) -> None:
        """Write the data sets of the probe as a config, which the commands name."""
        atomic_write_text(self._data_file, self._data.pretty_text)

    def job(self, task: Pretraining | None) -> Job:
        """Score a pre-training, or the untrained network."""
        settings, plan = self._settings, self._plan
        shown = task or plan.sequence((next(iter(settings.ssl_configs)),))  # whose network it is
        folder = self._score_dir(task)
        weights = weights_argv(None if task is None else task.backbone, settings.seed)
        argv = (
            *judge_argv(_JUDGE, plan.relative(shown.config), weights, folder),
            *("--dataset-config", str(self._data_file)),
        )
        if options := model_options(shown.options):
            argv += ("--cfg-options", *options)
        made: Any = configs.digest(shown.cfg) if task is None else _facts(plan, task)
        facts = {
            "network" if task is None else "pre-training": made,
            "content of the data's config": configs.digest(self._data),
            "seed": settings.seed,
            "subtrain": content(settings.split("subtrain")),
            "val": content(settings.split("val")),
        }
        name = "the untrained network" if task is None else task.name
        step = Step(f"score of {name}", folder, facts, (f"{_JUDGE}.json",))
        return Job(step, Command(argv, settings.root, folder / "output.log"))

    def read(self, task: Pretraining | None) -> tuple[float, float]:
        """Give the balanced accuracy that a score's step left, and its standard error."""
        found = judged(self._score_dir(task) / f"{_JUDGE}.json", "linear probe")
        recalls = [value for key, value in found.items() if key.startswith("recall_")]
        labels = [entry.label for entry in self._read_list("val")]
        matrix = []  # right ones on the diagonal, all wrong ones in one more column
        for number, recall in enumerate(recalls):
            count = labels.count(number)
            row = [0] * (len(recalls) + 1)
            row[number] = round((recall or 0.0) * count)
            row[-1] = count - row[number]
            matrix.append(row)
        return float(found["balanced_accuracy"]), standard_error(matrix)

    def count(self, part: str) -> int:
        """Count the images of a list."""
        return len(self._read_list(part))

    def _read_list(self, part: str) -> list[Any]:
        from mmselfsup.datasets.data_sources.entries import read_list  # loads torch

        return list(read_list(str(self._settings.split(part))))

    def _score_dir(self, task: Pretraining | None) -> Path:
        return self._folder / "scores" / (SCRATCH if task is None else task.name)


def _facts(plan: Plan, task: Pretraining) -> dict[str, Any]:
    return dict(pretrain_step(plan, task).settings)
