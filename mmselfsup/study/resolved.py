"""A study ready to run: configs read, overrides distributed, files found.

A pre-training is one task, alone or as the last one of a curriculum.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mmselfsup.config.inspect import max_epochs, reads_labels
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.study_data import StudyData

from . import configs
from .data import metadata_csv
from .descriptions import WEIGHTS_OF_TRAINING
from .images_seen import weights_saw_images
from .label_reading import weights_read_labels
from .settings import LR_FACTORS, SCRATCH, StudySettings
from .starts import DISTILLED, JOIN, Start

if TYPE_CHECKING:
    from mmcv import Config


#: Keys of the fine-tuning that the comparison itself sets.
_OWN_KEYS = ("optimizer.lr", "load_from", "resume_from")
_DATA_KEY = re.compile(r"data\..*data_source\.(data_prefix|ann_file|split(\..*)?)")


@dataclass(frozen=True, eq=False)
class Pretraining:
    """A pre-training ready to run.

    Its name contains all that it depends on: its task and all tasks before it. So curricula with
    a common beginning use the same trainings, and a task compared on its own is the first of its
    curriculum.

    Attributes:
        tasks: Names of the tasks, this one last.
        config: File of its config.
        cfg: The config with its overrides.
        options: Overrides ``key=value``.
        folder: Work directory.
        after: The pre-training from whose backbone this one starts; None: it is the first.
        start: What the first one starts from; None: random weights.
    """

    tasks: tuple[str, ...]
    config: Path
    cfg: Config
    options: tuple[str, ...]
    folder: Path
    after: Pretraining | None = None
    start: Start | None = None

    @property
    def name(self) -> str:
        """Return the name of the pre-training and of its arm."""
        return JOIN.join(self.tasks) if self.start is None else self.start.arm(self.tasks)

    @property
    def weights(self) -> str | None:
        """Return what this task loads before its first step; None: nothing."""
        if self.after is not None:
            return str(self.after.backbone)
        teacher = self.start is not None and self.start.name == DISTILLED
        return None if self.start is None or teacher else self.start.weights

    @property
    def backbone(self) -> Path:
        """Return the trained backbone alone: heads and necks are not passed to the next task."""
        return self.folder / "backbone.pth"

    @property
    def epochs(self) -> int:
        """Return the epochs of this task, overrides included."""
        return max_epochs(self.cfg)

    @property
    def reads_labels(self) -> bool:
        """Return whether it, or one before it, reads the labels of the training images."""
        return any(reads_labels(task.cfg) for task in self.chain)

    @property
    def chain(self) -> tuple[Pretraining, ...]:
        """Return this pre-training after all those before it."""
        return (*(self.after.chain if self.after else ()), self)


@dataclass(frozen=True)
class ResolvedStudy:
    """The settings of a study with its configs read and its overrides distributed, each once.

    Attributes:
        settings: The settings.
        images: Folder of the images.
    """

    settings: StudySettings
    images: Path

    @cached_property
    def metadata(self) -> Path | None:
        """Return the CSV of the lesions; None without one."""
        return metadata_csv(self.settings)

    @cached_property
    def pretrainings(self) -> tuple[Pretraining, ...]:
        """Return the pre-trainings, each after the one it starts from."""
        return tuple(self.sequence(tasks, start) for start, tasks in self.settings.chains)

    def sequence(self, tasks: tuple[str, ...], start: Start | None = None) -> Pretraining:
        """Return the last pre-training of a sequence of tasks, which may repeat a task."""
        # Recursive: each pre-training starts from that of the shorter sequence.
        after = self.sequence(tasks[:-1], start) if len(tasks) > 1 else None
        task = tasks[-1]
        own = start_options(start, tasks)
        folder = self.settings.ssl_dir(JOIN.join(tasks) if start is None else start.arm(tasks))
        path, options = self.settings.ssl_configs[task], (*self._ssl_options[task], *own)
        cfg = configs.load(path, options) if own else self._ssl_cfgs[task]
        return Pretraining(tasks, path, cfg, options, folder, after, start)

    @cached_property
    def finetune(self) -> Config:
        """Return the config of the classifier with its overrides."""
        cfg = configs.load(self.settings.finetune_config, self.measuring_options)
        configs.check_scratch(cfg)
        return cfg

    @cached_property
    def finetune_options(self) -> list[str]:
        """Return the overrides of the fine-tuning.

        Raises:
            UserError: One of them is the comparison's own, or names data.
        """
        own = [*self._shared[-1], *self.settings.finetune_options]
        options = _without_data(own, self.settings.data)
        for option in options:
            if option.split("=", 1)[0] in _OWN_KEYS:
                raise UserError(
                    f"{option} can't be given to the fine-tuning: the study sets it for each arm "
                    "(FINETUNE_LRS lists the learning rates; --ssl-options are for pre-training)"
                )
        return options

    @cached_property
    def measuring_options(self) -> list[str]:
        """Return the overrides of the classifier where it is not trained.

        Weights of its classes that follow from the training images are known to trainings only.
        """
        none = WEIGHTS_OF_TRAINING.replace("=auto", "=None")
        given = self.finetune_options
        return [none if option == WEIGHTS_OF_TRAINING else option for option in given]

    @cached_property
    def _ssl_cfgs(self) -> dict[str, Config]:
        """Return the configs of the pre-trainings with their overrides, by task."""
        paths = self.settings.ssl_configs.items()
        return {task: configs.load(path, self._ssl_options[task]) for task, path in paths}

    @cached_property
    def _without_overrides(self) -> list[Config]:
        """Return the configs without overrides: of the pre-trainings, then of the fine-tuning."""
        # Only for their keys, so that each override goes to the configs that have its key.
        paths = (*self.settings.ssl_configs.values(), self.settings.finetune_config)
        return [configs.load(path) for path in paths]

    @cached_property
    def _shared(self) -> list[list[str]]:
        """Return the overrides of each of ``_without_overrides``: those whose key it has."""
        return configs.share_options(self.settings.options, self._without_overrides)

    @cached_property
    def _ssl_options(self) -> dict[str, list[str]]:
        """Return the overrides of the pre-trainings by task.

        Raises:
            UserError: One of them names data.
        """
        own = configs.share_options(self.settings.ssl_options, self._without_overrides[:-1])
        pairs = zip(self.settings.ssl_configs, self._shared[:-1], own, strict=True)
        data = self.settings.data
        return {task: _without_data([*shared, *options], data) for task, shared, options in pairs}

    @cached_property
    def lrs(self) -> tuple[float, ...]:
        """Return the learning rates to try."""
        base = self.finetune.optimizer.lr
        return self.settings.lrs or tuple(float(f"{base * f:.3g}") for f in LR_FACTORS)

    @cached_property
    def epochs(self) -> int:
        """Return the epochs of every fine-tuning, overrides included."""
        return max_epochs(self.finetune)

    def pretraining(self, arm: str) -> Pretraining | None:
        """Return the pre-training that an arm starts from; None: random weights, or a file."""
        if self.file_of(arm) is not None or arm == SCRATCH:
            return None
        return next(p for p in self.pretrainings if p.name == arm)

    def saw_labels(self, arm: str) -> bool:
        """Return whether what an arm starts from is known to have read training labels."""
        last = self.pretraining(arm)
        return bool(self.start_labels(arm)) if last is None else self.task_saw_labels(last)

    def task_saw_labels(self, task: Pretraining) -> bool:
        """Return whether a pre-training, or the file that it starts from, has read labels."""
        return task.reads_labels or bool(self._read_labels(task.start))

    def start_labels(self, arm: str) -> bool | None:
        """Return whether the file that an arm or its pre-trainings start from has read labels.

        A distillation's is that of its teacher. None: not known, or there is no such file.
        """
        return self._read_labels(self._start(arm))

    def start_saw_test(self, arm: str) -> bool | None:
        """Return whether the file that an arm or its pre-trainings start from saw test images.

        Once the lists are there. A distillation's is that of its teacher. None: not known, or there
        is no such file.
        """
        start = self._start(arm)
        return None if start is None else self.file_saw_test(start)

    def file_saw_test(self, start: Start) -> bool | None:
        """Return whether the file of a start saw images of the test fold; None: not known."""
        return self._seen_by.get(start.weights or "")

    @cached_property
    def _seen_by(self) -> dict[str, bool | None]:
        """Return by each file of weights whether it saw images of the test fold."""
        from mmselfsup.datasets.data_sources.lists import read_names  # loads torch

        files = {start.weights for start in self.settings.starts if start.weights is not None}
        names = read_names(str(self.settings.split("test"))) if files else []
        root = self.settings.root
        return {file: weights_saw_images(file, root, names, self.images) for file in files}

    def _start(self, arm: str) -> Start | None:
        """Return the start with a file that an arm or its first pre-training has."""
        last = self.pretraining(arm)
        if last is not None:
            return last.start
        return next((s for s in self.settings.starts if not s.ssl and s.arm() == arm), None)

    def _read_labels(self, start: Start | None) -> bool | None:
        if start is None or start.weights is None:
            return None
        return weights_read_labels(start.weights, self.settings.root)

    def file_of(self, arm: str) -> str | None:
        """Return the file of weights that an arm is fine-tuned from at once; None of others."""
        starts = self.settings.starts
        return next((s.weights for s in starts if not s.ssl and s.arm() == arm), None)

    def weights(self, arm: str) -> str | None:
        """Return the file of weights that the classifier of an arm starts from; None: random."""
        start = self.pretraining(arm)
        return self.file_of(arm) if start is None else str(start.backbone)

    def relative(self, path: Path) -> str:
        """Return a path inside the repository relative to it."""
        rel = os.path.relpath(path, self.settings.root)
        return str(path) if rel.startswith("..") else rel


def start_options(start: Start | None, tasks: tuple[str, ...]) -> list[str]:
    """Return the overrides of the last of the pre-trainings from a start, without its weights."""
    if start is None:
        return []
    if start.name == DISTILLED:
        return [f"model.teacher.checkpoint={configs.quoted(start.weights or '')}"]
    return [f"adapt.type={start.adapt}"] if start.adapts(tasks) else []


def _without_data(options: list[str], data: StudyData) -> list[str]:
    """Check that no override sets images or lists, which the study sets itself.

    Raises:
        UserError: There is one.
    """
    for option in options:
        if _DATA_KEY.fullmatch(option.split("=", 1)[0]):
            raise UserError(
                f"{option} can't be given, the study sets it: set {data.root_variable} for the "
                "images, SPLITS for the lists"
            )
    return options
