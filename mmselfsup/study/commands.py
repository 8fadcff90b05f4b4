"""The command lines of the study, as a user would type them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from . import configs, data_files
from .plan import Plan
from .positives import positives_options
from .pretraining import Pretraining
from .process import Command
from .settings import TRAIN, StudySettings


def splits(settings: StudySettings) -> Command:
    """Make the lists; what the user gave comes last and counts."""
    lesions = data_files.metadata(settings)
    argv = (
        *("tools/isic2019/prepare_splits.py", "--root", str(settings.isic_root)),
        *(() if lesions is None else ("--metadata", str(lesions))),
        *("--out", str(settings.splits_dir), "--folds", str(data_files.NUM_FOLDS)),
        *("--seed", str(data_files.SPLIT_SEED), *settings.splits),
    )
    return Command(argv, settings.root)


def pretrain(plan: Plan, task: Pretraining) -> Command:
    """Pre-train without labels, from the backbone of the task before if there is one."""
    options = list(task.options)
    if task.after is not None:
        options.append(f"load_from={configs.quoted(task.after.backbone)}")
    lists = {"train": plan.settings.ssl_list}
    options += configs.data_options(task.cfg, plan.images, lists)
    lesions = data_files.metadata(plan.settings)
    held_out = plan.settings.split("test") if plan.settings.ssl_on == TRAIN else None
    options += positives_options(task.cfg, held_out, lesions)
    return _train(plan, task.config, task.folder, options)


def search(plan: Plan, arm: str, lr: float) -> Command:
    """Fine-tune on the larger part of the training fold, measure on the rest of it."""
    lists = {"train": plan.settings.split("subtrain"), "val": plan.settings.split("val")}
    return _finetune(plan, arm, lr, f"lr_{lr:g}", lists, _lesions(plan, "val"))


def final(plan: Plan, arm: str, lr: float) -> Command:
    """Fine-tune on the whole training fold; nothing is measured before the end."""
    lists = {"train": plan.settings.split("train")}
    return _finetune(plan, arm, lr, "final", lists, ["evaluation=None"])


def test(plan: Plan, arm: str) -> Command:
    """Measure the final classifier of an arm on the test fold."""
    final, out = plan.settings.run_dir(arm, "final"), plan.settings.run_dir(arm, "test")
    argv = (
        "tools/test.py",
        plan.relative(plan.settings.finetune_config),
        str(final / "latest.pth"),
        "--work_dir",
        str(out),
        "--out",
        str(out / "scores.npz"),
        "--cfg-options",
        *test_options(plan),
    )
    return Command(argv, plan.settings.root, out / "output.log")


def test_options(plan: Plan) -> list[str]:
    """Say what the classifier's config must know to be measured on the test fold."""
    lists = {"test": plan.settings.split("test")}
    return [*plan.finetune_options, *_data(plan, lists), *_lesions(plan, "test")]


def _finetune(
    plan: Plan, arm: str, lr: float, name: str, lists: dict[str, Path], extra: Sequence[str]
) -> Command:
    options = [*plan.finetune_options, f"optimizer.lr={lr:g}", *extra]
    start = plan.pretraining(arm)
    if start is not None:
        options.append(f"load_from={configs.quoted(start.backbone)}")
    options += _data(plan, lists)
    work_dir = plan.settings.run_dir(arm, name)
    return _train(plan, plan.settings.finetune_config, work_dir, options)


def _data(plan: Plan, lists: dict[str, Path]) -> list[str]:
    """Point the classifier's data sets to this study's files."""
    metadata = data_files.metadata(plan.settings)
    return configs.data_options(plan.finetune, plan.images, lists, metadata)


def _lesions(plan: Plan, part: str) -> list[str]:
    """Say which images are of one lesion, so that intervals and sources can be given."""
    path = data_files.metadata(plan.settings)
    return [] if path is None else configs.metadata_options(plan.finetune, part, path)


def _train(plan: Plan, config: Path, work_dir: Path, options: Sequence[str]) -> Command:
    settings = plan.settings
    argv = (
        plan.relative(config),
        "--work_dir",
        str(work_dir),
        "--seed",
        str(settings.seed),
        "--auto-resume",
        "--cfg-options",
        *options,
    )
    if settings.gpus > 1:
        argv = ("tools/dist_train.sh", argv[0], str(settings.gpus), *argv[1:])
    else:
        argv = ("tools/train.py", *argv)
    return Command(argv, settings.root, work_dir / "output.log")
