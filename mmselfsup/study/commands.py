"""The command lines of the study, as a user could run them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from . import configs, data_files
from .plan import ResolvedStudy
from .positives import positives_options
from .pretraining import Pretraining
from .process import Command
from .settings import TRAIN, StudySettings


def splits(settings: StudySettings) -> Command:
    """Return the command that makes the lists; the user's options come last and take precedence."""
    lesions = data_files.metadata_csv(settings)
    argv = (
        *("tools/isic2019/prepare_splits.py", "--root", str(settings.isic_root)),
        *(() if lesions is None else ("--metadata", str(lesions))),
        *("--out", str(settings.splits_dir), "--folds", str(data_files.NUM_FOLDS)),
        *("--seed", str(data_files.SPLIT_SEED), *settings.splits),
    )
    return Command(argv, settings.root)


def pretrain(study: ResolvedStudy, task: Pretraining) -> Command:
    """Return the command of a pre-training, from the backbone of the previous task if any."""
    options = list(task.options)
    if task.after is not None:
        options.append(f"load_from={configs.quoted(task.after.backbone)}")
    lists = {"train": study.settings.ssl_list}
    options += configs.data_options(task.cfg, study.images, lists)
    lesions = data_files.metadata_csv(study.settings)
    # Partners of lesion positives must not be test images, unless those are pre-trained on anyway.
    held_out = study.settings.split("test") if study.settings.ssl_on == TRAIN else None
    options += positives_options(task.cfg, held_out, lesions)
    return _train(study, task.config, task.folder, options)


def search(study: ResolvedStudy, arm: str, lr: float) -> Command:
    """Return the command of a fine-tuning on subtrain that is measured on val."""
    lists = {"train": study.settings.split("subtrain"), "val": study.settings.split("val")}
    return _finetune(study, arm, lr, f"lr_{lr:g}", lists, _lesions(study, "val"))


def final(study: ResolvedStudy, arm: str, lr: float) -> Command:
    """Return the command of a fine-tuning on the whole training fold, without validation."""
    lists = {"train": study.settings.split("train")}
    return _finetune(study, arm, lr, "final", lists, ["evaluation=None"])


def test(study: ResolvedStudy, arm: str) -> Command:
    """Return the command that measures the final classifier of an arm on the test fold."""
    final, out = study.settings.run_dir(arm, "final"), study.settings.run_dir(arm, "test")
    argv = (
        "tools/test.py",
        study.relative(study.settings.finetune_config),
        str(final / "latest.pth"),
        "--work_dir",
        str(out),
        "--out",
        str(out / "scores.npz"),
        "--cfg-options",
        *test_options(study),
    )
    return Command(argv, study.settings.root, out / "output.log")


def test_options(study: ResolvedStudy) -> list[str]:
    """Return the overrides that the classifier's config needs for the test fold."""
    lists = {"test": study.settings.split("test")}
    return [*study.finetune_options, *_data(study, lists), *_lesions(study, "test")]


def _finetune(
    study: ResolvedStudy,
    arm: str,
    lr: float,
    name: str,
    lists: dict[str, Path],
    extra: Sequence[str],
) -> Command:
    options = [*study.finetune_options, f"optimizer.lr={lr:g}", *extra]
    start = study.pretraining(arm)
    if start is not None:
        options.append(f"load_from={configs.quoted(start.backbone)}")
    options += _data(study, lists)  # last: the study's data take precedence
    work_dir = study.settings.run_dir(arm, name)
    return _train(study, study.settings.finetune_config, work_dir, options)


def _data(study: ResolvedStudy, lists: dict[str, Path]) -> list[str]:
    """Return the overrides that point the classifier's data sets to this study's files."""
    metadata = data_files.metadata_csv(study.settings)
    return configs.data_options(study.finetune, study.images, lists, metadata)


def _lesions(study: ResolvedStudy, part: str) -> list[str]:
    """Return the overrides that name each image's lesion, for intervals and sources."""
    path = data_files.metadata_csv(study.settings)
    return [] if path is None else configs.metadata_options(study.finetune, part, path)


def _train(study: ResolvedStudy, config: Path, work_dir: Path, options: Sequence[str]) -> Command:
    settings = study.settings
    argv = (
        study.relative(config),
        "--work_dir",
        str(work_dir),
        "--seed",
        str(settings.seed),
        "--auto-resume",
        "--cfg-options",
        *options,
    )
    # GPUS=1 needs no launcher: one process uses one GPU.
    if settings.gpus > 1:
        argv = ("tools/dist_train.sh", argv[0], str(settings.gpus), *argv[1:])
    else:
        argv = ("tools/train.py", *argv)
    return Command(argv, settings.root, work_dir / "output.log")
