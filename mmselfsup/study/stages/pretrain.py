"""Checks before hours of training that a classifier can load a pre-trained backbone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmselfsup.config.inspect import config_digest
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.json_log import read_log

from .. import configs
from ..configs import positives_options
from ..data import metadata_csv, ssl_images_facts
from ..process import Command
from ..records import SslRecord
from ..settings import TRAIN, Pretraining, ResolvedStudy
from ..step import DONE, Step, content, hash_of

if TYPE_CHECKING:
    from mmcv import Config


#: Config keys that determine the shapes of a backbone, with their defaults.
_SHAPE: dict[str, Any] = {
    "depth": None,
    "arch": None,
    "stem_channels": 64,
    "base_channels": 64,
}


def check_backbones(task: Pretraining, finetune: Config) -> list[str]:
    """Compare the backbone of a pre-training with that of the classifier.

    Backbones of different types are not compared: some types can load each other's weights.

    Returns:
        Warnings: what the classifier will not load.

    Raises:
        UserError: Both are of the same type and of different size.
    """
    pretrained, classifier = _backbone(task.cfg), _backbone(finetune)
    if _kind(pretrained) != _kind(classifier):
        return []
    for key, default in _SHAPE.items():
        ssl_value, value = pretrained.get(key, default), classifier.get(key, default)
        if ssl_value != value:
            raise UserError(
                f"the backbone of {task.tasks[-1]} has {key}={ssl_value}, that of "
                f"FINETUNE_CONFIG {value}: name configs of the same network (SIZE picks a pair)"
            )
    ssl_channels, channels = pretrained.get("in_channels", 3), classifier.get("in_channels", 3)
    if ssl_channels == channels:
        return []
    # Only a warning: loading skips this one layer, all others fit.
    return [
        f"{task.tasks[-1]} has {ssl_channels} input channels, the classifier {channels}: the "
        "first convolution starts from random weights"
    ]


def _backbone(cfg: Config) -> dict[str, Any]:
    backbone = cfg.get("model", {}).get("backbone")
    return dict(backbone) if isinstance(backbone, dict) else {}


def _kind(backbone: dict[str, Any]) -> str:
    """Return the type of a backbone without the package that registers it."""
    return str(backbone.get("type", "")).rpartition(".")[2]


def pretrain_step(study: ResolvedStudy, task: Pretraining) -> Step:
    """Return the step that pre-trains on the images of the study's list for it."""
    facts = {
        **training_facts(study, task.config, config_digest(task.cfg), list(task.options)),
        **ssl_images_facts(study.settings),
    }
    if positives_options(task.cfg, None, None):  # only then the lesions matter
        facts["lesions of positives"] = content(metadata_csv(study.settings))
    if task.after is not None:
        # The hash covers all earlier tasks: a change of one of them makes this one stale.
        facts["task before"] = hash_of(pretrain_step(study, task.after).settings)
    return Step(f"{task.name} pre-training", task.folder, facts, (*DONE, task.backbone.name))


def training_facts(
    study: ResolvedStudy, config: Path, digest: str, options: list[str]
) -> dict[str, Any]:
    """Return what every training depends on."""
    return {
        "config": study.relative(config),
        "content of the config": digest,
        "options": options,
        "seed": study.settings.seed,
        "GPUS": max(study.settings.gpus, 1),  # 0 and 1 are the same training
        "folder of images": str(study.images),
    }


def pretrain_command(study: ResolvedStudy, task: Pretraining) -> Command:
    """Return the command of a pre-training, from the backbone of the previous task if any."""
    options = list(task.options)
    if task.after is not None:
        options.append(f"load_from={configs.quoted(task.after.backbone)}")
    lists = {"train": study.settings.ssl_list}
    options += configs.data_options(task.cfg, study.images, lists)
    lesions = metadata_csv(study.settings)
    # Partners of lesion positives must not be test images, unless those are pre-trained on anyway.
    held_out = study.settings.split("test") if study.settings.ssl_on == TRAIN else None
    options += positives_options(task.cfg, held_out, lesions)
    return train_command(study, task.config, task.folder, options)


def train_command(
    study: ResolvedStudy, config: Path, work_dir: Path, options: Sequence[str]
) -> Command:
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


def ssl_record(study: ResolvedStudy, task: Pretraining) -> SslRecord:
    """Describe a pre-training."""
    curve = read_log(task.folder).train_curve()
    return SslRecord(
        name=task.name,
        config=study.relative(task.config),
        epochs=task.epochs,
        images_of=study.settings.ssl_on,
        last_loss=curve[-1][1] if curve else None,
        seconds=pretrain_step(study, task).seconds(),
        cfg_options=list(task.options),
        config_sha256=config_digest(task.cfg),
    )
