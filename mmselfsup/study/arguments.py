"""Read and check what the user gave by environment and command line."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmselfsup.isic.layout import find_images
from mmselfsup.utils.errors import UserError

from .find_configs import find_finetune_config, find_ssl_config
from .settings import SCRATCH, StudySettings


def parse(argv: Sequence[str], env: Mapping[str, str], root: Path) -> StudySettings:
    """Read what the user asked for.

    Args:
        argv: Command line.
        env: Environment.
        root: The repository; paths inside it are written from there.

    Raises:
        UserError: Something is missing or can't be used.
    """
    args = _parser().parse_args(argv)
    isic_root = Path() if args.demo else check_isic_root(env.get("ISIC_ROOT"))
    demo, fold, seed = args.demo, integer(env, "FOLD", 0), integer(env, "SEED", 0)
    algorithm = env.get("ALGORITHM") or "simclr"
    if algorithm == SCRATCH:
        raise UserError(f"ALGORITHM={SCRATCH}: training from scratch is always part of the study")
    name = f"{'demo_' if demo else ''}{algorithm}_fold{fold}_seed{seed}"
    work_dir = _inside(env.get("WORK_DIR") or root / "work_dirs" / "isic2019" / name, root)
    demo_root = work_dir / "data" / "isic2019"
    ssl_config, finetune_config = env.get("SSL_CONFIG"), env.get("FINETUNE_CONFIG")
    configs = root / "configs"
    return StudySettings(
        root=root,
        isic_root=demo_root if demo else _inside(isic_root, root),
        work_dir=work_dir,
        algorithm=algorithm,
        ssl_config=(
            _config(ssl_config, root) if ssl_config else find_ssl_config(configs, algorithm, demo)
        ),
        finetune_config=(
            _config(finetune_config, root)
            if finetune_config
            else find_finetune_config(configs, demo)
        ),
        fold=fold,
        seed=seed,
        gpus=integer(env, "GPUS", 0),
        jobs=integer(env, "JOBS", 0),
        lrs=parse_lrs(env.get("FINETUNE_LRS", "")),
        ssl_options=check_options(args.ssl_options),
        finetune_options=check_options(args.finetune_options),
        options=check_options([*args.options, *args.cfg_options]),
        demo=demo,
    )


def _parser() -> argparse.ArgumentParser:
    """Say what stands on the command line; the script's --help explains it."""
    parser = argparse.ArgumentParser(prog="train_SSL_with_finetuning_ISIC2019.sh", add_help=False)
    parser.add_argument("options", nargs="*", default=[])
    parser.add_argument("--demo", action="store_true")
    for flag in ("--cfg-options", "--ssl-options", "--finetune-options"):
        parser.add_argument(flag, nargs="+", default=[], metavar="key=value")
    return parser


def _inside(path: str | Path, root: Path) -> Path:
    """Write a path from the repository if it lies in it, else from the file system's root."""
    full = Path(path).expanduser().absolute()
    return full.relative_to(root) if full.is_relative_to(root) else full


def _config(text: str, root: Path) -> Path:
    """Find a config, from the current folder or from the repository.

    Raises:
        UserError: It isn't there.
    """
    for path in (Path(text).absolute(), root / text):
        if path.is_file():
            return path
    raise UserError(f"there is no config {text}; configs lie in {root / 'configs'}")


def parse_lrs(text: str) -> tuple[float, ...]:
    """Read learning rates separated by blanks or commas, sorted, each once.

    Raises:
        UserError: A value is no positive number.
    """
    words = text.replace(",", " ").split()
    try:
        values = sorted({float(word) for word in words})
    except ValueError as error:
        raise UserError(
            f"FINETUNE_LRS={text!r}: {error}; give numbers such as '0.01 0.1'"
        ) from None
    if any(not 0 < value < float("inf") for value in values):
        raise UserError(f"FINETUNE_LRS={text!r}: learning rates must be positive numbers")
    return tuple(values)


def integer(env: Mapping[str, str], name: str, default: int, minimum: int = 0) -> int:
    """Read a whole number from the environment.

    Raises:
        UserError: The value is no whole number or below the minimum.
    """
    text = env.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or int(text) < minimum:
        raise UserError(f"{name}={text!r} must be a whole number of at least {minimum}")
    return int(text)


def check_options(options: Sequence[str]) -> tuple[str, ...]:
    """Check that each argument has the form `key=value`."""
    for option in options:
        if "=" not in option or option.startswith(("-", "=")):
            raise UserError(f"unknown argument {option!r}; see --help (overrides: key=value)")
    return tuple(options)


def check_isic_root(path: str | None) -> Path:
    """Check that the data set is there.

    Raises:
        UserError: The folder isn't given, isn't there or holds no image.
    """
    advice = "get ISIC-2019 as docs/en/prepare_data.md describes, or try --demo"
    if not path:
        raise UserError(f"ISIC_ROOT is not set: {advice}")
    try:
        find_images(Path(path))
    except UserError as error:
        raise UserError(f"ISIC_ROOT={path}: {error}; {advice}") from None
    return Path(path)
