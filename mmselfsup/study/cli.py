"""From environment and command line to the requested studies.

The names of the environment (ALGORITHM, SIZE, FOLDS, ...) are those of the script, whose --help
explains them. Each value is checked alone here; what needs the configs' content is checked by
``pipeline.check``.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from mmselfsup.utils.cli import ArgumentParser
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import expanded
from mmselfsup.utils.study_data import StudyData

from .data import read_splits
from .external import read_externals
from .few_labels import DRAWS, read_labels
from .find_configs import DEMO, find_finetune_config, find_ssl_config, pretraining_names
from .keep import BEST
from .settings import ALL, DEFAULT_DATA, TRAIN, StudyRequest, StudySettings
from .starts import DISTILLATION, DISTILLED, JOIN, SSL, Start, find_starts
from .values import (
    algorithm_names,
    check_choice,
    check_options,
    integer,
    integers,
    parse_lrs,
    read_min_gain,
    whole,
)


def parse(
    argv: Sequence[str], env: Mapping[str, str], root: Path, data: StudyData = DEFAULT_DATA
) -> StudyRequest:
    """Read what the user requests.

    Args:
        argv: Command line.
        env: Environment.
        root: The repository; paths inside it become relative to it.
        data: The data set.

    Raises:
        UserError: Something is missing or can't be used.
    """
    args = make_parser(data.program).parse_intermixed_args(argv)  # overrides anywhere
    data_root = _demo_folder(data) if args.demo else check_data_root(env, data)
    folds, seeds = integers(env, "FOLD", "FOLDS"), integers(env, "SEED", "SEEDS")
    several = bool(env.get("FOLDS") or env.get("SEEDS"))
    size = env.get("SIZE") or (DEMO if args.demo else data.full_size)
    ssl_configs = _ssl_configs(env, root, size, data)
    ssl_on = check_choice("--ssl-on", args.ssl_on, (TRAIN, ALL))
    compare = args.compare and len(ssl_configs) > 1
    min_gain = read_min_gain(args.curriculum, args.min_gain, args.compare, len(ssl_configs))
    given = check_options(args.ssl_options)
    known = {*ssl_configs, *pretraining_names(root / "configs", size, data)} - {DISTILLATION}
    starts, ssl_options = find_starts(args.start, given, lambda text: _inside(text, root), known)
    _check_options(args, min_gain is not None)
    algorithms = _needed(tuple(ssl_configs), starts, env)
    tasks = _in_name(tuple(ssl_configs), algorithms, starts, known)
    ssl_configs = _with_starts(ssl_configs, algorithms, starts, root, size, data)
    kinds = {"compare": compare, "greedy": min_gain is not None, "starts": bool(starts)}
    name = _name(args.demo, kinds, tasks, env.get("SIZE"), ssl_on)
    name = name if several else f"{name}_fold{folds[0]}_seed{seeds[0]}"
    work_dir = _inside(env.get("WORK_DIR") or root / "work_dirs" / data.folder / name, root)
    ready, split_options = read_splits(env.get("SPLITS", ""), data)
    study = StudySettings(
        root=root,
        data_root=work_dir / data_root if args.demo else _inside(data_root, root),
        work_dir=work_dir,
        ssl_configs=ssl_configs,
        finetune_config=_finetune_config(env, root, size, data, ssl_configs),
        algorithms=algorithms,
        compare=compare,
        min_gain=min_gain,
        ssl_on=ssl_on,
        data_dir=work_dir / "data",
        ready_splits=None if ready is None else _inside(ready, root),
        splits=split_options,
        gpus=integer(env, "GPUS", 0),
        jobs=integer(env, "JOBS", 0),
        lrs=parse_lrs(env.get("FINETUNE_LRS", "")),
        ssl_options=ssl_options,
        starts=starts,
        external=read_externals(args.external, root),
        data=data,
        **_plain_settings(args),
    )
    _check_arms(study)
    return StudyRequest(work_dir, _make_studies(study, folds, seeds, several), several)


def _plain_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that depend on one argument each."""
    return {
        "finetune_options": check_options(args.finetune_options),
        "options": check_options([*args.options, *args.cfg_options]),
        "demo": args.demo,
        "labels": read_labels(args.labels),
        "draws": DRAWS if args.draws is None else whole("--draws", args.draws, 1),
        "verify": args.verify,
        "keep": args.keep,
    }


def _name(
    demo: bool, kinds: Mapping[str, bool], tasks: list[str], size: str | None, ssl_on: str
) -> str:
    """Return a folder's name with what differs, so that no study overwrites another."""
    kind = "_".join(kind for kind, wanted in kinds.items() if wanted)
    return study_name("demo_" if demo else "", kind, tasks, size, ssl_on)


def _finetune_config(
    env: Mapping[str, str], root: Path, size: str, data: StudyData, ssl_configs: dict[str, Path]
) -> Path:
    """Return the config of the classifiers that the user names, or the one that fits."""
    named = env.get("FINETUNE_CONFIG")
    if named:
        return _config(named, root)
    return find_finetune_config(root / "configs", size, data, ssl_configs)


def _check_options(args: argparse.Namespace, greedy: bool) -> None:
    """Check that the options of arms and labels go together."""
    if args.draws is not None and not args.labels:
        raise UserError("--draws is for --labels: give both, or neither")
    if greedy and args.start:
        raise UserError("--curriculum greedy starts from random weights: leave out --start")


def _check_arms(study: StudySettings) -> None:
    """Check that the arms are different, and that no pre-training follows itself.

    Raises:
        UserError: ``ssl`` stands for what another word names, too, or no arm has a pre-training and
            there are options for one.
    """
    if study.ssl_options and not study.ssl_configs:
        raise UserError(f"--ssl-options {study.ssl_options[0]}: no --start has a pre-training")
    for _, tasks in study.chains:
        if repeated := [task for task in tasks if tasks.count(task) > 1]:
            raise UserError(
                f"--start {JOIN.join(tasks)}: {repeated[0]} is there twice (ssl stands for "
                f"{', '.join(study.algorithms)}): name each pre-training once"
            )
    if repeated := [arm for arm in study.arms if study.arms.count(arm) > 1]:
        raise UserError(
            f"--start: two of its values are {repeated[0]} (ssl stands for "
            f"{', '.join(study.algorithms)}): name each start once"
        )


def _needed(
    names: tuple[str, ...], starts: Sequence[Start], env: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the pre-trainings of ALGORITHM; none where no start has them.

    Args:
        names: Those of ALGORITHM.
        starts: The starts; empty: all pre-trainings are needed.
        env: The environment, which tells whether somebody asked for them.

    Raises:
        UserError: Somebody asked for one that no start has.
    """
    used = {task for start in starts for task in start.tasks}
    if not starts or SSL in used:
        return names
    unused = [name for name in names if name not in used]
    if unused and (env.get("ALGORITHM") or env.get("SSL_CONFIG")):
        raise UserError(
            f"ALGORITHM={' '.join(names)}: no --start has {unused[0]}: add ssl, which stands for "
            "ALGORITHM, or name it there, or leave it out of ALGORITHM"
        )
    return () if unused else names


def _in_name(
    names: tuple[str, ...],
    algorithms: tuple[str, ...],
    starts: Sequence[Start],
    known: Collection[str],
) -> list[str]:
    """Return the starts and the pre-trainings in the name of the folder.

    The pre-training by default stays there where no start names one, so that studies of older
    versions go on in their folders.

    Args:
        names: The pre-trainings of ALGORITHM, by default too.
        algorithms: Those of them that are needed.
        starts: The starts.
        known: Names of the pre-trainings that there are.
    """
    named = any(start.tasks and start.name != DISTILLED for start in starts)
    distilled = any(start.name == DISTILLED for start in starts)
    words = [start.word(known) for start in starts]
    return [*words, *(algorithms if named else names), *([DISTILLATION] if distilled else [])]


def _with_starts(
    ssl_configs: dict[str, Path],
    algorithms: Sequence[str],
    starts: Sequence[Start],
    root: Path,
    size: str,
    data: StudyData,
) -> dict[str, Path]:
    """Return the configs of ALGORITHM, then of the other pre-trainings that the starts name.

    Raises:
        UserError: There is none for the distillation, or it is a pre-training already.
    """
    if DISTILLATION in algorithms and any(start.name == DISTILLED for start in starts):
        raise UserError(f"--start {DISTILLED}=TEACHER and ALGORITHM={DISTILLATION}: give one")
    configs = {name: ssl_configs[name] for name in algorithms}
    for name in (task for start in starts for task in start.tasks):
        if name != SSL and name not in configs:
            configs[name] = ssl_configs.get(name) or find_ssl_config(
                root / "configs", name, size, data
            )
    return configs


def _ssl_configs(env: Mapping[str, str], root: Path, size: str, data: StudyData) -> dict[str, Path]:
    """Return the config of each algorithm: the one named for it, or that of the size.

    Raises:
        UserError: A config is missing, or their number differs from that of the algorithms.
    """
    names = algorithm_names(env.get("ALGORITHM") or "simclr")
    text = env.get("SSL_CONFIG")
    if not text:
        return {name: find_ssl_config(root / "configs", name, size, data) for name in names}
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
    full = expanded(path).absolute()
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


def _demo_folder(data: StudyData) -> Path:
    """Return the place of the synthetic images in a work directory.

    Raises:
        UserError: The data set has none.
    """
    if data.demo is None:
        raise UserError(f"--demo: {data.name} has no synthetic images; set {data.root_variable}")
    return Path("data") / data.folder


def check_data_root(env: Mapping[str, str], data: StudyData) -> Path:
    """Check that the folder of the data set holds images.

    Raises:
        UserError: The folder is not given, does not exist or holds no image.
    """
    path = env.get(data.root_variable)
    demo = "" if data.demo is None else ", or try --demo"
    advice = f"get {data.name} as {data.guide} describes{demo}"
    if not path:
        raise UserError(f"{data.root_variable} is not set: {advice}")
    try:
        data.find_images(Path(path))
    except UserError as error:
        raise UserError(f"{data.root_variable}={path}: {error}; {advice}") from None
    return Path(path)


class _Parser(ArgumentParser):
    """A parser whose errors are one line: the usage that argparse prints lacks the environment."""

    def error(self, message: str) -> NoReturn:
        """Raise the error.

        Raises:
            UserError: Always.
        """
        raise UserError(f"{message}; {self.prog} --help lists the arguments")


def make_parser(program: str) -> argparse.ArgumentParser:
    """Build the parser of the command line; the script's --help explains the options."""
    parser = _Parser(prog=program, add_help=False)
    # Choices are checked later, for errors in one line without the usage.
    parser.add_argument("options", nargs="*", default=[])
    parser.add_argument("--demo", action="store_true")
    parser.add_argument("--verify", action="store_true")
    parser.add_argument("--keep", default=BEST)
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--ssl-on", default=TRAIN)
    parser.add_argument("--curriculum")
    parser.add_argument("--min-gain")
    parser.add_argument("--start", nargs="+", default=[], metavar="START")
    parser.add_argument("--labels", nargs="+", default=[], metavar="P%")
    parser.add_argument("--draws", metavar="N")
    parser.add_argument("--external", nargs="+", default=[], metavar="NAME=PATH")
    for flag in ("--cfg-options", "--ssl-options", "--finetune-options"):
        parser.add_argument(flag, nargs="+", default=[], metavar="key=value")
    return parser


def study_name(start: str, kind: str, tasks: Iterable[str], size: str | None, ssl_on: str) -> str:
    """Return the name of a study in its default folder, made of what differs between studies."""
    name = "_".join((kind, *tasks)) if kind else JOIN.join(tasks)
    name = f"{start}{name}{f'-{size}' if size else ''}"
    return name if ssl_on == TRAIN else f"{name}_ssl-on-{ssl_on}"
