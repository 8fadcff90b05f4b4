"""What a study runs, as the user requested it: data, configs, fold, seed, learning rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmselfsup.isic.study_data import ISIC_2019 as DEFAULT_DATA
from mmselfsup.utils.study_data import StudyData

from .external import External
from .image_digests import INDEX
from .keep import BEST
from .starts import JOIN, SCRATCH, Start

#: Learning rates to try if none are given, as multiples of the one in the fine-tuning config.
LR_FACTORS = (0.3, 1.0, 3.0)
#: What the pre-trainings see: the training list of the fold, or the images of its test list, too.
TRAIN, ALL = "train", "all"


@dataclass(frozen=True)
class StudySettings:
    """One fold and one seed of the study, as the user requested it.

    Attributes:
        root: The repository (it holds ``configs/`` and ``tools/``).
        data_root: Folder of the data set (images and its CSVs).
        work_dir: Folder of everything that this fold and seed write.
        ssl_configs: Config of each pre-training by its name, such as ``simclr``, in order.
        algorithms: Those of ALGORITHM: all but what only a start names; empty: all.
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
        starts: What the classifiers start from, each an arm; empty: random weights, and each
            pre-training compared.
        labels: Percentages of the labels, below 100, with which each arm is fine-tuned too.
        draws: Number of times that each percentage is drawn.
        external: Test sets of other clinics, on which each arm is measured too.
        data: The data set: its file names, commands and configs.
        verify: Whether to compare the content of all files, not only sizes and times.
        keep: What stays on the disk, see ``keep.KEEP``.
    """

    root: Path
    data_root: Path
    work_dir: Path
    ssl_configs: Mapping[str, Path]
    finetune_config: Path
    algorithms: tuple[str, ...] = ()
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
    starts: tuple[Start, ...] = ()
    labels: tuple[float, ...] = ()
    draws: int = 1
    external: tuple[External, ...] = ()
    data: StudyData = DEFAULT_DATA
    verify: bool = False
    keep: str = BEST

    @property
    def sequences(self) -> tuple[tuple[str, ...], ...]:
        """Return the pre-trainings to do, in order: each a task after the tasks it builds on."""
        tasks = self.order or self.algorithms or tuple(self.ssl_configs)
        if self.compare:
            return tuple((task,) for task in tasks)
        return tuple(tasks[:n] for n in range(1, len(tasks) + 1))

    @property
    def arms(self) -> tuple[str, ...]:
        """Return the starts of the classifier: random weights, and each pre-training compared."""
        if not self.starts:
            return SCRATCH, *(JOIN.join(tasks) for tasks in self._compared)
        return tuple(arm for start in self.starts for arm in map(start.arm, self._tasks_of(start)))

    @property
    def _compared(self) -> tuple[tuple[str, ...], ...]:
        """Return the pre-trainings that a classifier starts from, each with those before it."""
        return self.sequences if self.compare else self.sequences[-1:]

    def _tasks_of(self, start: Start) -> list[tuple[str, ...]]:
        """Return the pre-trainings of each arm of a start; an empty one without any."""
        return start.sequences(self._compared)

    @property
    def chains(self) -> tuple[tuple[Start | None, tuple[str, ...]], ...]:
        """Return the pre-trainings to do, in order: start (None: random weights) and tasks."""
        if not self.starts:
            return tuple((None, tasks) for tasks in self.sequences)
        # By their names: two starts may begin with the same pre-training, which is done once.
        chains: dict[str, tuple[Start, tuple[str, ...]]] = {}
        for start in self.starts:
            for tasks in self._tasks_of(start):
                for number in range(1, len(tasks) + 1):
                    begun = tasks[:number]
                    chains.setdefault(start.arm(begun), (start, begun))
        return tuple(chains.values())

    @property
    def splits_dir(self) -> Path:
        """Return the folder of the lists of images."""
        if self.ready_splits is not None:
            return self.ready_splits
        return self._data_dir / "splits"

    @property
    def ssl_list(self) -> Path:
        """Return the list of the images that the pre-trainings see."""
        if self.ssl_on == TRAIN:
            return self.split("train")
        return self._data_dir / self.data.list_name("train+test", self.fold)

    @property
    def image_index(self) -> Path:
        """Return the index of the content of the images, see ``image_digests``."""
        return self._data_dir / INDEX

    @property
    def labels_dir(self) -> Path:
        """Return the folder of the lists of few labels, the same for all arms."""
        return self._data_dir / "labels"

    def external_dir(self, name: str) -> Path:
        """Return the folder of a prepared test set of another clinic.

        It is the same for all folds, but for lists of the user: they need not have all images.
        """
        own = () if self.ready_splits is None else (f"fold{self.fold}",)
        return Path(self._data_dir, "external", *own, name)

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


def look_dir(work_dir: Path, name: str) -> Path:
    """Return the folder of the feature comparison of a pre-training."""
    return work_dir / "looks" / name


@dataclass(frozen=True)
class StudyRequest:
    """The studies that the user requested.

    Attributes:
        work_dir: Folder of everything that is written; one study at a time uses it.
        studies: One for each fold and seed.
        several: Whether folds or seeds were given as lists, so that each has a folder of its own.
    """

    work_dir: Path
    studies: tuple[StudySettings, ...]
    several: bool

    def with_options(self, options: Mapping[str, Sequence[str]]) -> StudyRequest:
        """Return the request with further overrides; the user's own come last and take precedence.

        Args:
            options: Overrides by the fields of ``StudySettings`` that hold them.
        """
        studies = []
        for study in self.studies:
            joined: dict[str, Any] = {
                key: (*added, *getattr(study, key)) for key, added in options.items()
            }
            studies.append(replace(study, **joined))
        return replace(self, studies=tuple(studies))
