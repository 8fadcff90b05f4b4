"""What a comparison of frozen features runs."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from mmselfsup.utils.errors import UserError


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


def make_settings(args: argparse.Namespace, root: Path) -> FrozenSettings:
    """Check the command line of ``tools/isic2019/compare_frozen.py``.

    Raises:
        UserError: A file or folder is missing, a number is too small, or a name or seed is given
            twice.
    """
    ending = "isic2019" if args.size == "224" else f"isic2019-{args.size}"
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
    for flag, values in (("--algorithms", args.algorithms), ("--seeds", args.seeds)):
        if len(set(values)) < len(values):
            raise UserError(f"{flag} {' '.join(map(str, values))}: give each once")
    return FrozenSettings(
        root=root,
        images=args.images.absolute(),
        train=args.train.absolute(),
        test=args.test.absolute(),
        out=args.out.absolute(),
        dataset_config=dataset_config.absolute(),
        algorithms=tuple(args.algorithms),
        size=args.size,
        views=args.views,
        seeds=tuple(args.seeds),
        num_knn=args.num_knn,
        jobs=args.jobs,
        options=tuple(args.cfg_options),
    )
