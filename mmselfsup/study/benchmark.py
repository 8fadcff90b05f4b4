"""The comparison of frozen features: its settings, its rows, and the steps that each row takes.

Every method is pre-trained for the same number of views of an image, so that a method with more
views has fewer epochs; the baseline of each is its own network, untrained. An ``Entry`` is one
pre-training with one seed; its jobs train it, then classify the test list by its frozen features.
The results are read by ``benchmark_table``.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmselfsup.config.inspect import views_per_image
from mmselfsup.utils.errors import UserError

from . import configs
from .find_configs import find_ssl_config, network_of
from .settings import DEFAULT_DATA
from .stages.probe import model_options, probe_argv, weights_argv
from .stages.stage import Stage
from .step import CHECKPOINT

if TYPE_CHECKING:
    from mmcv import Config


UNTRAINED = "untrained"
#: Fraction of a training for its warm-up, which configs give in epochs of a long training.
WARMUP = 0.05
WEIGHTS, FEATURES = CHECKPOINT, "features.npz"


@dataclass(frozen=True, eq=False)
class Entry:
    """A row of the table.

    Attributes:
        name: The algorithm, or ``untrained``.
        network: The backbone, as the name of the config says it; see ``network_of``.
        seed: Seed of its training, or of the untrained network's random weights.
        config: File of its config.
        cfg: The config with the overrides.
        options: Overrides ``key=value`` of its training, the budget's included.
        epochs: Epochs of its training; 0: untrained.
        views: Total number of views that the network sees.
        folder: Work directory.
    """

    name: str
    network: str
    seed: int
    config: Path
    cfg: Config
    options: tuple[str, ...]
    epochs: int
    views: int
    folder: Path

    @property
    def title(self) -> str:
        """Return name and seed, as text; several networks may be untrained."""
        network = f" {self.network}" if self.name == UNTRAINED else ""
        return f"{self.name}{network}, seed {self.seed}"


@dataclass(frozen=True)
class FrozenSettings:
    """The comparison, as the user requested it.

    Attributes:
        root: The repository (it holds ``configs/`` and ``tools/``).
        images: Folder of the images.
        train: List of the images for pre-training, and for k-NN and linear probe to learn from.
        test: List of the images that are classified.
        out: Folder of everything that is written.
        dataset_config: Config of the data sets for k-NN and linear probe.
        algorithms: Names of the pre-trainings.
        size: Side of their images in pixels, as the names of the configs say it.
        views: Views that the network sees in each pre-training.
        seeds: Seeds of the trainings.
        num_knn: Number of neighbours.
        jobs: Trainings at the same time; 0: chosen for the machine.
        options: Overrides ``key=value`` of the pre-training configs.
        verify: Whether to compare the content of all files, not only sizes and times.
    """

    root: Path
    images: Path
    train: Path
    test: Path
    out: Path
    dataset_config: Path
    algorithms: tuple[str, ...]
    size: str = "64"
    views: int = 64_000
    seeds: tuple[int, ...] = (0,)
    num_knn: int = 20
    jobs: int = 0
    options: tuple[str, ...] = ()
    verify: bool = False


def plan_entries(settings: FrozenSettings, num_images: int) -> list[Entry]:
    """Return every row: the untrained networks first, then each algorithm, with each seed.

    Raises:
        UserError: A config is missing or can't be used with these images or overrides.
    """
    folder = settings.root / "configs"
    paths = [find_ssl_config(folder, name, settings.size) for name in settings.algorithms]
    distributed = configs.share_options(settings.options, [configs.load(path) for path in paths])
    # A baseline for each backbone, from the first config that has it: the accuracy of an untrained
    # transformer says nothing about that of a ResNet.
    first = {network_of(path): i for i, path in reversed(list(enumerate(paths)))}
    untrained = [
        _entries(settings, UNTRAINED, paths[i], distributed[i], 0) for i in sorted(first.values())
    ]
    trained = [
        _entries(settings, name, path, options, num_images)
        for name, path, options in zip(settings.algorithms, paths, distributed, strict=True)
    ]
    return [entry for entries in (*untrained, *trained) for entry in entries]


def _entries(
    settings: FrozenSettings, name: str, path: Path, options: list[str], num_images: int
) -> list[Entry]:
    """Return the rows of one name, one for each seed; without images: untrained."""
    cfg = configs.load(path, options)
    epochs, views = 0, 0
    if num_images:
        epochs = epochs_for(cfg, settings.views, num_images)
        views = epochs * num_images * views_per_image(cfg)
        options = [*options, *budget_options(cfg, epochs, num_images)]
        cfg = configs.load(path, options)
    network = network_of(path)
    # Of the untrained, each network has its own folder.
    folder = f"{name}_{network}" if name == UNTRAINED else name
    return [
        Entry(
            name=name,
            network=network,
            seed=seed,
            config=path,
            cfg=cfg,
            options=tuple(options),
            epochs=epochs,
            views=views,
            folder=settings.out / f"{folder}_seed{seed}",
        )
        for seed in settings.seeds
    ]


def epochs_for(cfg: Config, views: int, num_images: int) -> int:
    """Return the number of epochs nearest to a number of views, at least one."""
    return max(1, round(views / (views_per_image(cfg) * num_images)))


def budget_options(cfg: Config, epochs: int, num_images: int) -> list[str]:
    """Return the overrides of epochs and warm-up (``WARMUP`` times the iterations).

    Raises:
        UserError: A batch holds more images than there are.
    """
    options = [f"runner.max_epochs={epochs}"]
    batch = _batch(cfg)
    if batch > num_images:
        raise UserError(
            f"{cfg.filename}: a batch of {batch} images, but the training list has {num_images}; "
            "give --cfg-options data.samples_per_gpu=N"
        )
    if cfg.get("lr_config", {}).get("warmup"):  # epochs of warm-up could exceed the short training
        iters = max(1, round(WARMUP * epochs * (num_images // batch)))
        options += ["lr_config.warmup_by_epoch=False", f"lr_config.warmup_iters={iters}"]
        # From a ratio near 0, the first iterations of a short training would hardly train.
        options += [f"lr_config.warmup_ratio={max(cfg.lr_config.get('warmup_ratio', 0), 0.1):g}"]
    return options


def _batch(cfg: Config) -> int:
    data: Any = cfg.data
    return int(data.get("samples_per_gpu", 1))


def train_stage(settings: FrozenSettings, entry: Entry) -> Stage:
    """Return the stage that pre-trains on the training list, without its labels."""
    data = configs.data_options(entry.cfg, settings.images, {"train": settings.train})
    folder = entry.folder / "train"
    argv = (
        *("tools/train.py", _relative(settings, entry.config), "--work_dir", str(folder)),
        *("--seed", str(entry.seed), "--auto-resume", "--cfg-options", *entry.options, *data),
    )
    return Stage(
        name=f"pre-training {entry.title}",
        folder=folder,
        argv=argv,
        root=settings.root,
        outputs=(WEIGHTS,),
        epochs=entry.epochs,
        logged=True,
    )


def probe_stage(settings: FrozenSettings, entry: Entry, probe: str) -> Stage:
    """Return the stage that classifies the test list by frozen features.

    Args:
        settings: The comparison.
        entry: The pre-training, or the untrained network.
        probe: ``knn`` (nearest neighbours), which extracts the features, or ``linear`` (balanced
            linear probe), which runs after it and reads them.
    """
    folder = entry.folder / probe
    trained = entry.name != UNTRAINED
    weights = weights_argv(entry.folder / "train" / WEIGHTS if trained else None, entry.seed)
    options = [f"data.*.data_source.data_prefix={configs.quoted(settings.images)}"]
    lists = configs.load(settings.dataset_config)
    for part, path in (("train", settings.train), ("val", settings.test)):
        options.append(f"data.{part}.data_source.ann_file={configs.quoted(path)}")
        options += configs.whole_list(lists, part)
    options += model_options(entry.options)
    argv = (
        *probe_argv(probe, _relative(settings, entry.config), weights, folder),
        *(("--num-knn", str(settings.num_knn)) if probe == "knn" else ()),
        *("--dataset-config", _relative(settings, settings.dataset_config)),
        # Both probes name the same file: the features are extracted once.
        *("--features", str(entry.folder / "knn" / FEATURES), "--cfg-options", *options),
    )
    name = f"{probe} {entry.title}"
    return Stage(name, folder, argv, settings.root, (f"{probe}.json",), logged=True)


def _relative(settings: FrozenSettings, path: Path) -> str:
    full, root = path.absolute(), settings.root.absolute()
    return str(full.relative_to(root)) if full.is_relative_to(root) else str(full)


def algorithms_with_config(configs: Path, ending: str) -> list[str]:
    """Return the names of the pre-trainings that have a config with this end of its name, sorted.

    Args:
        configs: The folder ``configs``.
        ending: The last part of the names, see ``StudyData.config_ending``.

    Raises:
        UserError: There is none.
    """
    names = sorted({path.parent.name for path in configs.glob(f"selfsup/*/*_{ending}.py")})
    if not names:
        raise UserError(
            f"no config *_{ending}.py under {configs / 'selfsup'}: give another --size, or name "
            "--algorithms"
        )
    return names


def make_settings(args: argparse.Namespace, root: Path) -> FrozenSettings:
    """Check the command line of ``compare_frozen.py``.

    Raises:
        UserError: A file or folder is missing, a number is too small, or a name or seed is given
            twice.
    """
    ending = DEFAULT_DATA.config_ending(args.size)
    default = root / "configs" / "benchmarks" / "classification" / f"knn_{ending}.py"
    dataset_config = args.dataset_config or default
    for flag, path in (
        ("--train", args.train),
        ("--test", args.test),
        ("--dataset-config", dataset_config),
    ):
        if not path.is_file():
            raise UserError(f"{flag} {path}: there is no such file")
    if not args.images.is_dir():
        raise UserError(f"--images {args.images}: there is no such folder")
    for flag, number, least in (
        ("--views", args.views, 1),
        ("--num-knn", args.num_knn, 1),
        ("--jobs", args.jobs, 0),
        ("--seeds", min(args.seeds), 0),
    ):
        if number < least:
            raise UserError(f"{flag} {number}: give {least} or more")
    algorithms = args.algorithms or algorithms_with_config(root / "configs", ending)
    for flag, values in (("--algorithms", algorithms), ("--seeds", args.seeds)):
        if len(set(values)) < len(values):
            raise UserError(f"{flag} {' '.join(map(str, values))}: give each once")
    return FrozenSettings(
        root=root,
        images=args.images.absolute(),
        train=args.train.absolute(),
        test=args.test.absolute(),
        out=args.out.absolute(),
        dataset_config=dataset_config.absolute(),
        algorithms=tuple(algorithms),
        size=args.size,
        views=args.views,
        seeds=tuple(args.seeds),
        num_knn=args.num_knn,
        jobs=args.jobs,
        options=tuple(args.cfg_options),
        verify=args.verify,
    )
