"""What a study runs: data, configs, fold, seed, learning rates.

A study ready to run: settings, configs read, overrides distributed.

One pre-training, alone or as the last task of a curriculum.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mmselfsup.config.inspect import max_epochs
from mmselfsup.isic.study_data import ISIC_2019 as DEFAULT_DATA
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.study_data import StudyData

from . import configs

if TYPE_CHECKING:
    from mmcv import Config


#: Learning rates to try if none are given, as multiples of the one in the fine-tuning config.
LR_FACTORS = (0.3, 1.0, 3.0)
SCRATCH = "scratch"
JOIN = "+"  # between the tasks in the name of a curriculum
#: What the pre-trainings see: the training list of the fold, or the images of its test list, too.
TRAIN, ALL = "train", "all"
#: Keys of the fine-tuning that the comparison itself sets.
_OWN_KEYS = ("optimizer.lr", "load_from", "resume_from")
_DATA_KEY = re.compile(r"data\..*data_source\.(data_prefix|ann_file)")


@dataclass(frozen=True)
class StudySettings:
    """One fold and one seed of the study, as the user requested it.

    Attributes:
        root: The repository (it holds ``configs/`` and ``tools/``).
        data_root: Folder of the data set (images and its CSVs).
        work_dir: Folder of everything that this fold and seed write.
        ssl_configs: Config of each pre-training by its name, such as ``simclr``, in order.
        finetune_config: Config of the classifier.
        compare: Whether the pre-trainings are compared, each on its own; otherwise they follow
            each other as a curriculum.
        min_gain: What a further task must gain for a greedy curriculum to take it, in balanced
            accuracy 0..1; None: the curriculum is the order given.
        order: Tasks of the curriculum that was chosen, in order; empty: all, as they are given.
        ssl_on: Images the pre-trainings see: ``train`` or ``all``.
        data_dir: Folder of the lists, the same for all folds and seeds; None: ``data`` in the work
            directory.
        ready_splits: Folder of the user's own lists; None: the study makes them.
        splits: Options for ``prepare_splits.py``.
        fold: Number of the test fold, 0-based.
        seed: Seed of every training.
        gpus: Processes of a training, one GPU each; 0: one process on the GPU or the CPU.
        jobs: Fine-tunings run at the same time; 0: chosen for the machine.
        lrs: Learning rates tried for each arm; empty: ``LR_FACTORS`` times the config's.
        ssl_options: Overrides ``key=value`` of the pre-training configs.
        finetune_options: Overrides ``key=value`` of the fine-tuning config.
        options: Overrides ``key=value`` of those configs that have the key.
        demo: Make and use the embedded data set.
        data: The data set: its file names, commands and configs.
    """

    root: Path
    data_root: Path
    work_dir: Path
    ssl_configs: Mapping[str, Path]
    finetune_config: Path
    compare: bool = False
    min_gain: float | None = None
    order: tuple[str, ...] = ()
    ssl_on: str = TRAIN
    data_dir: Path | None = None
    ready_splits: Path | None = None
    splits: tuple[str, ...] = ()
    fold: int = 0
    seed: int = 0
    gpus: int = 0
    jobs: int = 0
    lrs: tuple[float, ...] = ()
    ssl_options: tuple[str, ...] = ()
    finetune_options: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    demo: bool = False
    data: StudyData = DEFAULT_DATA

    @property
    def sequences(self) -> tuple[tuple[str, ...], ...]:
        """The pre-trainings to do, in order: each a task after the tasks it builds on."""
        tasks = self.order or tuple(self.ssl_configs)
        if self.compare:
            return tuple((task,) for task in tasks)
        return tuple(tasks[:n] for n in range(1, len(tasks) + 1))

    @property
    def arms(self) -> tuple[str, ...]:
        """The starts of the classifier: random weights, and each pre-training compared."""
        compared = self.sequences if self.compare else self.sequences[-1:]
        return SCRATCH, *(JOIN.join(tasks) for tasks in compared)

    @property
    def splits_dir(self) -> Path:
        """Folder of the lists of images."""
        if self.ready_splits is not None:
            return self.ready_splits
        return self._data_dir / "splits"

    @property
    def ssl_list(self) -> Path:
        """List of the images that the pre-trainings see."""
        if self.ssl_on == TRAIN:
            return self.split("train")
        return self._data_dir / self.data.list_name("train+test", self.fold)

    @property
    def _data_dir(self) -> Path:
        return self.data_dir or self.work_dir / "data"

    def split(self, part: str) -> Path:
        """Return the list of images of a part: train, test, subtrain or val."""
        return self.splits_dir / self.data.list_name(part, self.fold)

    def ssl_dir(self, name: str) -> Path:
        """Return the work directory of a pre-training."""
        return self.work_dir / "ssl" / name

    def run_dir(self, arm: str, name: str) -> Path:
        """Return the work directory of a fine-tuning: name is ``final`` or ``lr_<value>``."""
        return self.work_dir / "finetune" / arm / name


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
        after: The pre-training from whose backbone this one starts; None: random weights.
    """

    tasks: tuple[str, ...]
    config: Path
    cfg: Config
    options: tuple[str, ...]
    folder: Path
    after: Pretraining | None = None

    @property
    def name(self) -> str:
        """Name of the pre-training and of its arm."""
        return JOIN.join(self.tasks)

    @property
    def backbone(self) -> Path:
        """The trained backbone alone: heads and necks are not passed to the next task."""
        return self.folder / "backbone.pth"

    @property
    def epochs(self) -> int:
        """Epochs of this task, overrides included."""
        return max_epochs(self.cfg)

    @property
    def chain(self) -> tuple[Pretraining, ...]:
        """This pre-training after all those before it."""
        return (*(self.after.chain if self.after else ()), self)


@dataclass(frozen=True)
class ResolvedStudy:
    """The settings of a study with its configs read and its overrides distributed."""

    settings: StudySettings
    images: Path

    @cached_property
    def pretrainings(self) -> tuple[Pretraining, ...]:
        """The pre-trainings, each after the one it starts from."""
        return tuple(self.sequence(tasks) for tasks in self.settings.sequences)

    def sequence(self, tasks: tuple[str, ...]) -> Pretraining:
        """Return the last pre-training of a sequence of tasks, which may repeat a task."""
        # Recursive: each pre-training starts from that of the shorter sequence.
        after = self.sequence(tasks[:-1]) if len(tasks) > 1 else None
        task, folder = tasks[-1], self.settings.ssl_dir(JOIN.join(tasks))
        path, options = self.settings.ssl_configs[task], tuple(self._ssl_options[task])
        return Pretraining(tasks, path, self._ssl_cfgs[task], options, folder, after)

    @cached_property
    def finetune(self) -> Config:
        """Config of the classifier with its overrides."""
        cfg = configs.load(self.settings.finetune_config, self.finetune_options)
        configs.check_scratch(cfg)
        return cfg

    @cached_property
    def finetune_options(self) -> list[str]:
        """Overrides of the fine-tuning.

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
    def _ssl_cfgs(self) -> dict[str, Config]:
        """Configs of the pre-trainings with their overrides, by task."""
        paths = self.settings.ssl_configs.items()
        return {task: configs.load(path, self._ssl_options[task]) for task, path in paths}

    @cached_property
    def _plain(self) -> list[Config]:
        """The configs without overrides: of the pre-trainings, then of the fine-tuning."""
        # Only for their keys, so that each override goes to the configs that have its key.
        paths = (*self.settings.ssl_configs.values(), self.settings.finetune_config)
        return [configs.load(path) for path in paths]

    @cached_property
    def _shared(self) -> list[list[str]]:
        """Overrides of the configs that have the key, in the order of ``_plain``."""
        return configs.share_options(self.settings.options, self._plain)

    @cached_property
    def _ssl_options(self) -> dict[str, list[str]]:
        """Overrides of the pre-trainings by task.

        Raises:
            UserError: One of them names data.
        """
        own = configs.share_options(self.settings.ssl_options, self._plain[:-1])
        pairs = zip(self.settings.ssl_configs, self._shared[:-1], own, strict=True)
        data = self.settings.data
        return {task: _without_data([*shared, *options], data) for task, shared, options in pairs}

    @cached_property
    def lrs(self) -> tuple[float, ...]:
        """Learning rates to try."""
        base = self.finetune.optimizer.lr
        return self.settings.lrs or tuple(float(f"{base * f:.3g}") for f in LR_FACTORS)

    @cached_property
    def epochs(self) -> int:
        """Epochs of every fine-tuning, overrides included."""
        return max_epochs(self.finetune)

    def pretraining(self, arm: str) -> Pretraining | None:
        """Return the pre-training that an arm starts from; None: random weights."""
        return None if arm == SCRATCH else next(p for p in self.pretrainings if p.name == arm)

    def relative(self, path: Path) -> str:
        """Return a path inside the repository relative to it."""
        rel = os.path.relpath(path, self.settings.root)
        return str(path) if rel.startswith("..") else rel


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


def look_dir(work_dir: Path, name: str) -> Path:
    """Return the folder of the feature comparison of a pre-training."""
    return work_dir / "looks" / name
