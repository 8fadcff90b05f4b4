"""From environment and command line to the requested studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmselfsup.utils.errors import UserError

from .checks import (
    algorithm_names,
    check_choice,
    check_isic_root,
    check_options,
    integer,
    integers,
    parse_lrs,
)
from .command_line import make_parser, study_name
from .data_files import read_splits
from .find_configs import DEMO, FULL_SIZE, find_finetune_config, find_ssl_config
from .greedy.option import read_min_gain
from .settings import ALL, TRAIN, StudySettings


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


def parse(argv: Sequence[str], env: Mapping[str, str], root: Path) -> StudyRequest:
    """Read what the user requests.

    Args:
        argv: Command line.
        env: Environment.
        root: The repository; paths inside it become relative to it.

    Raises:
        UserError: Something is missing or can't be used.
    """
    # Intermixed: overrides may come before and after options.
    args = make_parser().parse_intermixed_args(argv)
    isic_root = Path() if args.demo else check_isic_root(env.get("ISIC_ROOT"))
    folds, seeds = integers(env, "FOLD", "FOLDS"), integers(env, "SEED", "SEEDS")
    several = bool(env.get("FOLDS") or env.get("SEEDS"))
    size = env.get("SIZE") or (DEMO if args.demo else FULL_SIZE)
    ssl_configs = _ssl_configs(env, root, size)
    ssl_on = check_choice("--ssl-on", args.ssl_on, (TRAIN, ALL))
    compare = args.compare and len(ssl_configs) > 1
    min_gain = read_min_gain(args.curriculum, args.min_gain, args.compare, len(ssl_configs))
    # The folder's name contains what differs, so that two studies never overwrite each other.
    kind = "compare" if compare else "greedy" if min_gain is not None else ""
    name = study_name("demo_" if args.demo else "", kind, ssl_configs, env.get("SIZE"), ssl_on)
    name += "" if several else f"_fold{folds[0]}_seed{seeds[0]}"
    default = root / "work_dirs" / "isic2019" / name
    work_dir = _inside(env.get("WORK_DIR") or default, root)
    finetune_config = env.get("FINETUNE_CONFIG")
    ready, split_options = read_splits(env.get("SPLITS", ""))
    study = StudySettings(
        root=root,
        isic_root=work_dir / "data" / "isic2019" if args.demo else _inside(isic_root, root),
        work_dir=work_dir,
        ssl_configs=ssl_configs,
        finetune_config=(
            _config(finetune_config, root)
            if finetune_config
            else find_finetune_config(root / "configs", size)
        ),
        compare=compare,
        min_gain=min_gain,
        ssl_on=ssl_on,
        data_dir=work_dir / "data",
        ready_splits=None if ready is None else _inside(ready, root),
        splits=split_options,
        gpus=integer(env, "GPUS", 0),
        jobs=integer(env, "JOBS", 0),
        lrs=parse_lrs(env.get("FINETUNE_LRS", "")),
        ssl_options=check_options(args.ssl_options),
        finetune_options=check_options(args.finetune_options),
        options=check_options([*args.options, *args.cfg_options]),
        demo=args.demo,
    )
    return StudyRequest(work_dir, _make_studies(study, folds, seeds, several), several)


def _ssl_configs(env: Mapping[str, str], root: Path, size: str) -> dict[str, Path]:
    """Return the config of each algorithm: the one named for it, or that of the size.

    Raises:
        UserError: A config is missing, or their number differs from that of the algorithms.
    """
    names = algorithm_names(env.get("ALGORITHM") or "simclr")
    text = env.get("SSL_CONFIG")
    if not text:
        return {name: find_ssl_config(root / "configs", name, size) for name in names}
    files = [text] if len(names) == 1 else text.split()  # the path of a single one may have blanks
    if len(files) != len(names):
        raise UserError(
            f"SSL_CONFIG names {len(files)} configs for the {len(names)} pre-trainings of "
            f"ALGORITHM ({', '.join(names)}): name one for each, in this order, or none"
        )
    return {name: _config(file, root) for name, file in zip(names, files, strict=True)}


def _make_studies(
    study: StudySettings, folds: Sequence[int], seeds: Sequence[int], several: bool
) -> tuple[StudySettings, ...]:
    """Make a study of each fold and seed."""
    return tuple(
        replace(
            study,
            fold=fold,
            seed=seed,
            work_dir=study.work_dir / f"fold{fold}_seed{seed}" if several else study.work_dir,
        )
        for seed in seeds
        for fold in folds
    )


def _inside(path: str | Path, root: Path) -> Path:
    """Return a path relative to the repository if it lies inside, otherwise absolute."""
    full = Path(path).expanduser().absolute()
    return full.relative_to(root) if full.is_relative_to(root) else full


def _config(text: str, root: Path) -> Path:
    """Find a config, from the current folder or from the repository.

    Raises:
        UserError: It does not exist.
    """
    for path in (Path(text).absolute(), root / text):
        if path.is_file():
            return path
    raise UserError(f"there is no config {text}; configs lie in {root / 'configs'}")
